"""`streamlake post`: send a file's lines to the HTTP edge, and say what became of each of them."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from streamlake.engine.cli.common import json_option, print_json, progress, taken
from streamlake.engine.counted import counted
from streamlake.engine.errors import Exit, StreamLakeError, UsageError

if TYPE_CHECKING:
    from streamlake.engine.operations.post_tally import Posted

KEY_VARIABLE = "STREAMLAKE_API_KEY"
KEY_BYTES_MAX = 4096


@click.command("post", short_help="Send a file's lines to the HTTP edge.")
@click.argument("file", type=click.File("rb"))
@click.option("--url", required=True, help="The stream, e.g. http://127.0.0.1:8080/ingest/orders.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help=f"A file with the API key. Default: the variable {KEY_VARIABLE}, where it is set.",
)
@click.option(
    "--batch", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Records a request at most."
)
@click.option("--gzip", is_flag=True, help="Compress what is sent.")
@click.option(
    "--retry-unknown", is_flag=True, help="Send again what may have been stored: then it may be stored twice."
)
@click.option(
    "--retry-seconds",
    type=click.FloatRange(0, 86_400),
    default=60.0,
    show_default=True,
    help="How long a request that is not taken is tried for.",
)
@click.option(
    "--show-refused", type=click.IntRange(0), default=0, metavar="N", help="Show the first N refused records and why."
)
@json_option
def command(  # noqa: PLR0913  # one parameter an option
    *,
    file: BinaryIO,
    url: str,
    key_file: Path | None,
    batch: int,
    gzip: bool,
    retry_unknown: bool,
    retry_seconds: float,
    show_refused: int,
    as_json: bool,
) -> None:
    """Send the lines of FILE (- is standard input), one JSON object each, to a stream of the HTTP edge.

    A line is sent as it is, blank ones are left out. Exits 1 when a record was refused, failed, or may not be stored.
    The API key is never taken from the command line, where other users of the machine would see it.
    """
    try:
        from streamlake.engine.operations.post import PostOptions, post  # noqa: PLC0415  # needs the extra `edge`
    except ModuleNotFoundError as error:
        raise UsageError(f"`post` needs {error.name}: `pip install 'streamlake[edge]'`") from None
    from streamlake.engine.operations.lines import portions_of_lines  # noqa: PLC0415  # light, and wanted here only
    from streamlake.engine.operations.post_tally import Tally  # noqa: PLC0415  # heavy

    key = _key(key_file)
    options = PostOptions(batch, gzip=gzip, retry_unknown=retry_unknown, retry_seconds_max=retry_seconds)
    tally = Tally(refused_kept_max=show_refused)
    try:
        with progress(f"to {url}", None) as moved:
            posted = post(portions_of_lines(file), url, key=key, options=options, tally=tally, progress=moved)
    except (KeyboardInterrupt, StreamLakeError, OSError):  # the answers that came are told, whatever ended it
        if tally.sent:
            _print(tally.posted(), url, as_json=as_json)
        raise
    _print(posted, url, as_json=as_json)
    sys.exit(Exit.DONE if posted.all_stored else Exit.FAILED)


def _key(key_file: Path | None) -> str | None:
    """The API key; None where there is none."""
    if key_file is None:
        return os.environ.get(KEY_VARIABLE, "").strip() or None
    try:
        with key_file.open("rb") as file:
            content = file.read(KEY_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"{key_file}: can't be read: {error.strerror}") from None
    # As Latin-1 everything is text, and what no key has is refused where the header is made.
    return content.decode("latin-1").strip()


def _print(posted: "Posted", url: str, *, as_json: bool) -> None:
    if as_json:
        print_json(posted)
        return
    took = taken(posted.sent, posted.seconds)
    click.echo(f"{posted.stored:,} of {counted(posted.sent, 'record')} stored by {url} in {took}")
    for end, reasons in posted.reasons.items():
        for reason, records in reasons.items():
            click.echo(f"{records:,} {end}: {reason}", err=True)
    if posted.repeated:
        click.echo(f"{posted.repeated:,} sent again, though they may have been stored: look for them twice", err=True)
    for record in posted.refused_records:
        place = record.reason if record.field is None else f"{record.reason}, {record.field}"
        click.echo(f"line {record.index + 1}: {place}: {record.message}", err=True)
