"""docs/errors.md, made from the catalogue: `python -m streamlake.engine.codes.page` prints it.

The committed page is its output; a test compares the two.
"""

import sys
from collections.abc import Iterator
from types import ModuleType

from streamlake.engine.codes.base import Code
from streamlake.engine.codes.catalogue import GROUPS, codes_of

HEAD = """\
# Errors and warnings

Each warning and error of StreamLake has a code: in the field `code` of a log line, in brackets at the end of what a
command says when it fails, and in front of why a partition is parked (`streamlake status`, /status, /readyz).
`streamlake explain SL0403` prints what stands here.

A code is stable: it never changes its meaning, and one that is no longer used is not given to anything else. So alerts
and runbooks may rely on the code; the words of a message may change. The first two digits say who acts.

This page is made from `engine/codes/` by `make docs`.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_overview(), *(line for group in GROUPS for line in _section(group))])


def told(code: Code) -> str:
    """One code for a terminal."""
    event = [f'Log event: "{code.event}"'] if code.event else []
    return "\n\n".join([f"{code}: {code.name}", f"Cause: {code.cause}", f"Cure: {code.cure}", *event])


def _overview() -> Iterator[str]:
    yield "| codes | of | who acts |"
    yield "|---|---|---|"
    for group in GROUPS:
        yield f"| {_prefix(group)}.. | [{group.TITLE}](#{_anchor(group.TITLE)}) | {group.WHO} |"
    yield ""


def _section(group: ModuleType) -> Iterator[str]:
    yield f"## {group.TITLE}\n"
    for code in codes_of(group):
        yield f"### {code}: {code.name}\n"
        if code.event:
            yield f"Log event: `{code.event}`\n"
        yield f"**Cause.** {code.cause}\n"
        yield f"**Cure.** {code.cure}\n"


def _prefix(group: ModuleType) -> str:
    return codes_of(group)[0].number[:4]


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


if __name__ == "__main__":
    sys.stdout.write(page())
