"""`streamlake run`: land a pipeline's topics until told to stop, or until what is there now has landed."""

import signal
import sys
from functools import partial
from pathlib import Path

import click

from streamlake.engine.cli.common import load, log_format_option, pipeline_argument, set_option
from streamlake.engine.errors import ConfigError


@click.command("run", short_help="Land the pipeline's topics.")
@pipeline_argument
@set_option
@log_format_option
@click.option(
    "--until-end",
    is_flag=True,
    help="Note each partition's end now, land everything up to it, and stop. Exits 1 if a partition could not.",
)
def command(pipeline: Path, overrides: tuple[str, ...], until_end: bool) -> None:
    """Land the topics of PIPELINE: one worker process per partition that the consumer group gives to this host.

    SIGTERM or Ctrl-C finishes the batches in hand and stops (again: stops at once; nothing is lost). SIGHUP reads the
    YAML again. Start the same command on more hosts to share the partitions.
    """
    # Until the engine listens: a reload that comes a moment after the start must not end it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    import structlog  # noqa: PLC0415  (heavy; each child imports this module)

    from streamlake.config.load import located  # noqa: PLC0415
    from streamlake.engine.assembly import run_pipeline  # noqa: PLC0415
    from streamlake.engine.cli.display import ProgressDisplay  # noqa: PLC0415

    config = load(pipeline, overrides)
    structlog.contextvars.bind_contextvars(pipeline=config.pipeline)
    try:
        with ProgressDisplay(wanted=until_end) as display:
            reload = partial(load, pipeline, overrides)
            code = run_pipeline(config, until_end=until_end, reload=reload, tick=display.show)
    except ConfigError as error:
        raise ConfigError(*located(error.problems, pipeline, overrides)) from error
    sys.exit(code)
