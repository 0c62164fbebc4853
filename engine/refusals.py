"""For what the records of a batch were refused most often: counted by what a message says without its values."""

from collections.abc import Sequence

from streamlake.engine.folding import folded_field, folded_message
from streamlake.engine.records import DeadLetter
from streamlake.engine.state import CommonRefusal

LOOKED_AT_MAX = 64
"""Letters of a batch whose message is folded, evenly spread: the rest is taken to be like them."""
KINDS_MAX = 5


def common_refusals(letters: Sequence[DeadLetter]) -> tuple[CommonRefusal, ...]:
    """The commonest kinds, commonest first, each with the offset of one; counts are estimates in a large batch."""
    every = max(1, -(-len(letters) // LOOKED_AT_MAX))
    counts: dict[tuple[str, str, str], int] = {}
    examples: dict[tuple[str, str, str], int] = {}
    for letter in letters[::every]:
        kind = (letter.reason, folded_field(letter.field or ""), folded_message(letter.message))
        counts[kind] = counts.get(kind, 0) + every
        examples.setdefault(kind, letter.offset)
    commonest = sorted(counts, key=lambda kind: -counts[kind])[:KINDS_MAX]
    return tuple(CommonRefusal(*kind, min(counts[kind], len(letters)), examples[kind]) for kind in commonest)
