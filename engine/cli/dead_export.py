"""`streamlake dead export`: refused records, whole, as one file for other tools."""

from itertools import islice
from pathlib import Path

import click

from streamlake.engine.cli.common import json_option, load, log_format_option, pipeline_argument, print_json, set_option
from streamlake.engine.cli.dead_filter import filter_options, how_many, letters_of, source_option
from streamlake.engine.operations.dead_types import LetterFilter


@click.command("export", short_help="Write refused records to a file.")
@pipeline_argument
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT.parquet|OUT.jsonl")
@set_option
@log_format_option
@filter_options
@click.option("--limit", type=click.IntRange(min=1), help="Records to write at most. Default: all.")
@click.option("--force", is_flag=True, help="Overwrite OUT where it is there already.")
@source_option
@json_option
def export_command(
    pipeline: tuple[Path, ...],
    out: Path,
    overrides: tuple[str, ...],
    *,
    wanted: LetterFilter,
    limit: int | None,
    force: bool,
    source: str,
    as_json: bool,
) -> None:
    """Write the dead letters of PIPELINE.yaml to OUT, whole, with where they came from and why they were refused.

    OUT appears when it is complete. In JSON lines, bytes are {"text": …}, or {"base64": …} where they are no UTF-8.
    """
    from streamlake.engine.operations.dead_export import export_letters  # noqa: PLC0415  # Arrow

    with letters_of(load(pipeline, overrides), wanted, source) as letters:
        written = export_letters(islice(letters, limit), out, overwrite=force)
        more = limit is not None and next(letters, None) is not None
    if as_json:
        print_json({"path": str(out), "letters": written.letters, "bytes": written.bytes, "more": more})
        return
    click.echo(f"{how_many(written.letters)} in {out} ({written.bytes:,} bytes)")
    if more:
        click.echo("there are more (--limit)", err=True)
