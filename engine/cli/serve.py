"""`streamlake serve`: the HTTP edge of a pipeline, until told to stop."""

from functools import partial
from pathlib import Path

import click

from streamlake.engine.cli.common import load, log_format_option, pipeline_argument, set_option
from streamlake.engine.errors import UsageError

GUNICORN = "streamlake.gunicorn_options"


class _WithGunicornOptions(click.Command):
    """What follows `--` is gunicorn's and not looked at here; what stands before it are YAML files and own options."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """As in click, with what may follow."""
        return [*super().collect_usage_pieces(ctx), "[-- GUNICORN OPTIONS]"]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As in click, of what stands before `--`."""
        ours = args[: args.index("--")] if "--" in args else args
        ctx.meta[GUNICORN] = tuple(args[len(ours) + 1 :])
        return super().parse_args(ctx, list(ours))


@click.command("serve", cls=_WithGunicornOptions, short_help="Take records over HTTP, in front of Kafka.")
@pipeline_argument
@set_option
@log_format_option
@click.pass_context
def command(context: click.Context, pipeline: tuple[Path, ...], overrides: tuple[str, ...]) -> None:
    """Serve the streams of PIPELINE's `http:` section: POST /ingest/STREAM answers when Kafka has the records.

    SIGTERM or Ctrl-C answers all that is in flight and stops. SIGHUP reads the YAML again and replaces the workers.
    What follows `--` is gunicorn's, e.g. -- --certfile cert.pem --keyfile key.pem
    """
    try:
        from streamlake.http_edge.server import serve  # noqa: PLC0415  # heavy, and needs the extra
    except ModuleNotFoundError as error:
        raise UsageError(f"the HTTP edge needs {error.name}: pip install 'streamlake[edge]'") from None

    from streamlake.config.load import load_pipeline  # noqa: PLC0415  # heavy

    config = load(pipeline, overrides)
    # What is read again may be refused: log lines stay those of the old one, as `load` would not leave them.
    serve(config, context.meta[GUNICORN], partial(load_pipeline, pipeline, overrides))
