"""`streamlake run`: land a pipeline's topics until told to stop, or until what is there now has landed."""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streamlake.engine.cli.common import files_said, load, log_format_option, pipeline_argument, set_option
from streamlake.engine.errors import ConfigError, Exit

if TYPE_CHECKING:  # heavy; each child imports this module
    from collections.abc import Sequence

    from streamlake.config.model import PipelineConfig
    from streamlake.engine.state import EngineState


@click.command("run", short_help="Land the pipeline's topics.")
@pipeline_argument
@set_option
@log_format_option
@click.option(
    "--until-end",
    is_flag=True,
    help="Note each partition's end now, land everything up to it, and stop. Exits 1 if a partition could not.",
)
def command(pipeline: tuple[Path, ...], overrides: tuple[str, ...], until_end: bool) -> None:
    """Land the topics of PIPELINE: one worker process per partition that the consumer group gives to this host.

    SIGTERM or Ctrl-C finishes the batches in hand and stops (again: stops at once; nothing is lost). SIGHUP reads the
    YAML again. Start the same command on more hosts to share the partitions.

    A broker that is away is waited for without end, also at the start and with --until-end: where that has to end,
    give it a time, as in `timeout 10m streamlake run PIPELINE.yaml --until-end`. What the broker refuses ends it.
    """
    # Until the engine listens: a reload that comes a moment after the start must not end it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from streamlake.config.load import load_pipeline, located  # noqa: PLC0415
    from streamlake.engine.assembly import run_pipeline  # noqa: PLC0415
    from streamlake.engine.cli.display import LiveTable  # noqa: PLC0415
    from streamlake.engine.notify import Notifier  # noqa: PLC0415
    from streamlake.engine.reloading import Files  # noqa: PLC0415

    notifier = Notifier(os.environ)
    config = load(pipeline, overrides)
    try:
        with LiveTable(files_said(pipeline), bounded=until_end) as display:

            def read() -> "PipelineConfig":
                notifier.reloading()  # the next look at a state that is not reloading ends it, whatever came of it
                return load_pipeline(pipeline, overrides)  # it may be refused: log lines are the old one's

            def placed(problems: "Sequence[str]") -> "Sequence[str]":
                return located(problems, pipeline, overrides)

            last: list[EngineState] = []

            def tick(state: "EngineState") -> None:
                display.show(state)
                notifier.show(state)
                last[:] = [state]

            code = run_pipeline(config, until_end=until_end, files=Files(read, placed), tick=tick)
            notifier.stopping()
        if until_end and code is Exit.DONE and not any(state.draining for state in last):
            _say_landed(last)
    except ConfigError as error:
        raise ConfigError(*located(error.problems, pipeline, overrides), code=error.code) from error
    sys.exit(code)


def _say_landed(last: "list[EngineState]") -> None:
    """A last line: without it, one who starts it again with nothing new would see nothing at all."""
    import structlog  # noqa: PLC0415  # heavy; each child imports this module

    partitions = [partition for state in last for partition in state.partitions]
    sums = {name: sum(getattr(one, name) for one in partitions) for name in ("landed", "refused", "skipped")}
    structlog.get_logger("streamlake.run").info("all that was there has landed", **sums)
