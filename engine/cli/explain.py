"""`streamlake explain`: what a pipeline will do, or what a code means; the argument's shape tells which of them."""

import re
from pathlib import Path

import click

from streamlake.engine.cli.common import json_option, set_option
from streamlake.engine.errors import UsageError

CODE = re.compile(r"SL\d{4}", re.IGNORECASE)


@click.command("explain", short_help="Say what a pipeline will do, or what a code like SL0403 means.")
@click.argument("what", nargs=-1, required=True, metavar="PIPELINE.yaml... | CODE")
@set_option
@json_option
def command(what: tuple[str, ...], overrides: tuple[str, ...], *, as_json: bool) -> None:
    """Say in plain sentences what PIPELINE.yaml will do, each with the settings that decide it; or what a code means.

    Of a pipeline: what happens to a record and where it lands, when a file closes, what becomes of a bad record, what
    survives which failure, and what is left to you. Neither Kafka nor the storage is asked. Of the code of a warning or
    an error (SL0403): its cause and its cure, as in docs/errors.md.
    """
    if len(what) == 1 and CODE.fullmatch(what[0]):
        from streamlake.engine.cli.explain_code import explain_code  # noqa: PLC0415  # only this shape needs it

        explain_code(what[0].upper())
        return
    if len(what) == 1 and not Path(what[0]).exists():
        raise UsageError(f"{what[0]!r} is no code (SL and four digits, as in SL0403), and there is no such file")
    from streamlake.engine.cli.explain_pipeline import explain_pipeline  # noqa: PLC0415  # heavy

    explain_pipeline(tuple(map(Path, what)), overrides, as_json=as_json)
