"""`streamlake explain SL0403`: one code's cause and cure."""

from difflib import get_close_matches

import click

from streamlake.engine.codes.catalogue import CODES
from streamlake.engine.codes.page import told
from streamlake.engine.errors import UsageError


def explain_code(number: str) -> None:
    """Print what a code means. Raises UsageError for one that there is not."""
    code = CODES.get(number)
    if code is None:
        near = ", ".join(get_close_matches(number, CODES, 3))
        raise UsageError(
            f"there is no code {number}; near it there are {near}" if near else f"there is no code {number}"
        )
    click.echo(click.wrap_text(told(code), width=100, preserve_paragraphs=True))
