"""What a code is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """A stable number of a warning or an error, and what a person on call has to know of it.

    `number` is `SL` and four digits, of which the first two say who acts (docs/errors.md); it never changes its meaning
    and is never used again. `event` is the log line that always has this code; the others are given at a raise site, or
    are their error class's. `cause` and `cure` are in Markdown, one paragraph each.
    """

    number: str
    name: str
    cause: str
    cure: str
    event: str = ""

    def __str__(self) -> str:
        return self.number
