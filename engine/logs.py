"""Log lines on standard error: readable text on a terminal, one JSON object a line in a pipe."""

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import IO, Literal, TextIO

import structlog

from streamlake.engine.codes.catalogue import EVENTS
from streamlake.engine.codes.processes import LIBRARY

LogFormat = Literal["json", "text"]

CODED = ("warning", "error", "critical")
"""The levels of which each line has a code."""

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

_configured: tuple[LogFormat, LogLevel] | None = None
_bound: dict[str, str] = {}
_stream: IO[str] | None = None


def configured_logs() -> tuple[LogFormat, LogLevel] | None:
    """What this process logs in, and from which level on: workers are told to do the same. None: not configured yet."""
    return _configured


def configure_logs(chosen: LogFormat, level: LogLevel = "INFO", **bound: str) -> None:
    """Send everything that is logged, libraries' lines too, to standard error; `bound` stands in every line.

    At the level DEBUG libraries stay at INFO: what is looked for then is ours.
    """
    global _configured  # noqa: PLW0603  (one process has one standard error)
    _configured = (chosen, level)
    _bound.clear()
    bind_logs(**bound)
    shared: list[structlog.typing.Processor] = [
        _add_bound,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _add_code,
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
        else structlog.dev.ConsoleRenderer(colors=in_colours(sys.stderr), pad_event_to=0)
    )
    handler = _ToStandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_in_fields, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel("INFO" if level == "DEBUG" else level)
    logging.getLogger("streamlake").setLevel(level)


def bind_logs(**bound: str) -> None:
    """What stands in every line from now on, of each thread and of libraries, unless the line says it itself."""
    _bound.update(bound)


def bound_logs() -> dict[str, str]:
    """What stands in every line now, for a process that is to log as this one does."""
    return dict(_bound)


def in_colours(stream: TextIO | None) -> bool:
    """Whether to write in colours: on a terminal, unless NO_COLOR is set; anywhere where FORCE_COLOR is."""
    if os.environ.get("NO_COLOR"):  # https://no-color.org: set and not empty
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream is not None and stream.isatty())


def log_to(stream: IO[str] | None) -> None:
    """Have this process's log lines go there; None: to standard error."""
    global _stream  # noqa: PLW0603  (one process has one standard error)
    _stream = stream


class _ToStandardError(logging.Handler):
    """Writes to what standard error is now: a test may have put another one in its place, and closed it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; where nobody reads it any more, nobody misses it."""
        try:
            stream = _stream or sys.stderr
            stream.write(f"{self.format(record)}\n")
            stream.flush()
        except (OSError, ValueError, AttributeError):  # its reader is gone; closed; closed from the beginning
            return


def _add_bound(_: object, __: str, line: MutableMapping[str, object]) -> MutableMapping[str, object]:
    return {**_bound, **line}


def _in_fields(_: object, __: str, line: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """A library's line: its event is the library's name, and what it says is the field `text`, since that varies.

    One that was taken apart before, as librdkafka's is, has `fields` of its own.
    """
    record = line["_record"]
    assert isinstance(record, logging.LogRecord)
    fields = getattr(record, "fields", None)
    return {**line, **(fields or {"event": record.name.partition(".")[0], "text": line["event"]})}


def _add_code(_: object, __: str, line: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """The code of each warning and error: the one that was given, else its event's; a library's line has no own."""
    if "code" not in line and line["level"] in CODED:
        line["code"] = EVENTS.get(str(line["event"]), LIBRARY).number
    return line
