"""Lines that fit: 80 columns in a pipe, the terminal's width on one; what is longer is cut, or wrapped if it counts."""

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from streamlake.engine.cli.dead_text import printable

PIPE_CHARS = 80
GAP = "  "
BESIDE_CHARS_MIN = 40
"""A text that has less than that beside a row is wrapped below it."""


def width() -> int:
    """How many characters a line may have."""
    return shutil.get_terminal_size((PIPE_CHARS, 24)).columns if sys.stdout.isatty() else PIPE_CHARS


def cut(text: str, chars: int) -> str:
    """`text` on one line, safe for a terminal, of at most `chars` characters."""
    shown = printable(text)
    return shown if len(shown) <= chars else f"{shown[: max(chars - 1, 0)]}…"


def narrow_table(
    rows: Sequence[Sequence[str]], most: Sequence[int], *, indent: str = GAP, whole: bool = False
) -> Iterator[str]:
    """Rows below each other, each column but the last no wider than `most` says, the last cut to what is left.

    `whole`: nothing of the last column is cut; on a terminal it is wrapped, in a pipe a row is one line.
    """
    cells = [[*(cut(cell, chars) for cell, chars in zip(row, most, strict=False)), row[-1]] for row in rows]
    widths = [max(map(len, column)) for column in list(zip(*cells, strict=True))[:-1]]
    for row in cells:
        begin = indent + "".join(cell.ljust(wide) + GAP for cell, wide in zip(row, widths, strict=False))
        if whole:
            yield from _whole(begin, printable(row[-1]))
        else:
            yield (begin + cut(row[-1], width() - len(begin))).rstrip()


def _whole(begin: str, text: str) -> Iterator[str]:
    if not sys.stdout.isatty() or len(begin) + len(text) <= width():
        yield (begin + text).rstrip()
    elif width() - len(begin) >= BESIDE_CHARS_MIN:
        yield from textwrap.wrap(text, width(), initial_indent=begin, subsequent_indent=" " * len(begin))
    else:
        yield begin.rstrip()
        yield from textwrap.wrap(text, width(), initial_indent=GAP * 2, subsequent_indent=GAP * 2)
