"""Holds a validator's answer against what it has to be, before anything is built on it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import pyarrow as pa

from streamlake.engine.errors import ValidatorError
from streamlake.engine.records import Reason, Refusal, Verdict

REASONS = frozenset(get_args(Reason))


def sound(answer: object, rows: int) -> Verdict:
    """`answer` as the verdict over `rows` messages; raises ValidatorError where it can't be one.

    What it says goes into logs: so it names kinds, and nothing that the validator may have taken out of a record.
    A message that no UTF-8 can hold (a lone surrogate, quoted from a record) is escaped, and no fault.
    """
    if not isinstance(answer, Verdict):
        raise _unsound(f"it answered with {type(answer).__name__}, not with a Verdict")
    refused = [_sound(refusal) for refusal in answer.refused]
    _check_indices("refused", [refusal.index for refusal in refused], rows)
    _check_indices("skipped", answer.skipped, rows)
    both = {refusal.index for refusal in refused}.intersection(answer.skipped)
    if both:
        raise _unsound(f"it both refused and skipped the message with index {min(both)}")
    if answer.columns is None:
        return replace(answer, refused=refused)
    columns = pa.table(answer.columns)
    accepted = rows - len(refused) - len(answer.skipped)
    if columns.num_rows != accepted:
        raise _unsound(f"its columns have {columns.num_rows} rows for {accepted} accepted messages")
    return replace(answer, refused=refused, columns=columns)


def _sound(refusal: object) -> Refusal:
    if not isinstance(refusal, Refusal):
        raise _unsound(f"it refused with {type(refusal).__name__}, not with a Refusal")
    if refusal.reason not in REASONS:
        raise _unsound(f"it refused for the reason {refusal.reason!r}; there are {', '.join(sorted(REASONS))}")
    said: tuple[object, object] = (refusal.message, refusal.field)
    if not isinstance(said[0], str) or not isinstance(said[1], str | None):
        kinds = " and ".join(type(one).__name__ for one in said)
        raise _unsound(f"the message and the field of a refusal are text, those of index {refusal.index!r} are {kinds}")
    message, field = _encodable(refusal.message), refusal.field and _encodable(refusal.field)
    if message == refusal.message and field == refusal.field:
        return refusal
    return replace(refusal, message=message, field=field)


def _check_indices(what: str, indices: Sequence[int], rows: int) -> None:
    before = -1
    some: Sequence[object] = indices
    for index in some:
        if not isinstance(index, int) or not before < index < rows:
            order = f"after {before}" if index in range(rows) else f"of {rows} messages"
            raise _unsound(f"it {what} index {index!r} {order}; indices ascend, each comes once, and 0 is the first")
        before = index


def _encodable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _unsound(why: str) -> ValidatorError:
    return ValidatorError(
        f"the validator's answer is none: {why}. Nothing of the batch was landed or refused: mend the validator"
    )
