"""Log lines on standard error: readable text on a terminal, one JSON object a line in a pipe."""

import logging
import sys
from typing import Literal

import structlog

LogFormat = Literal["json", "text"]

_configured: LogFormat = "text"


def log_format() -> LogFormat:
    """What this process logs in: workers are told to do the same."""
    return _configured


def configure_logs(chosen: LogFormat, **bound: str) -> None:
    """Send everything that is logged, libraries' lines too, to standard error; `bound` stands in every line."""
    global _configured  # noqa: PLW0603  (one process has one standard error)
    _configured = chosen
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**bound)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if chosen == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
