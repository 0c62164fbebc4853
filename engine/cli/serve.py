"""`streamlake serve`: the HTTP edge of a pipeline, until told to stop."""

from functools import partial
from pathlib import Path

import click

from streamlake.engine.cli.common import load, log_format_option, pipeline_argument, set_option
from streamlake.engine.errors import UsageError


@click.command("serve", short_help="Take records over HTTP, in front of Kafka.")
@pipeline_argument
@set_option
@log_format_option
@click.argument("gunicorn_options", nargs=-1, type=click.UNPROCESSED, metavar="[-- GUNICORN OPTIONS]")
def command(pipeline: Path, overrides: tuple[str, ...], gunicorn_options: tuple[str, ...]) -> None:
    """Serve the streams of PIPELINE's `http:` section: POST /ingest/STREAM answers when Kafka has the records.

    SIGTERM or Ctrl-C answers all that is in flight and stops. SIGHUP reads the YAML again and replaces the workers.
    What follows `--` is gunicorn's, e.g. -- --certfile cert.pem --keyfile key.pem
    """
    import structlog  # noqa: PLC0415  # heavy

    try:
        from streamlake.http_edge.server import serve  # noqa: PLC0415  # heavy, and needs the extra
    except ModuleNotFoundError as error:
        raise UsageError(f"the HTTP edge needs {error.name}: pip install 'streamlake[edge]'") from None

    config = load(pipeline, overrides)
    structlog.contextvars.bind_contextvars(pipeline=config.pipeline)
    serve(config, gunicorn_options, partial(load, pipeline, overrides))
