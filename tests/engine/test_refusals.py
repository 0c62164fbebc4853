"""For what a batch's records are refused is counted by what messages say without their values."""

from dataclasses import replace

import pytest
from support.batches import ORDERS

from streamlake.engine import refusals
from streamlake.engine.records import DeadLetter
from streamlake.engine.refusals import KINDS_MAX, LOOKED_AT_MAX, common_refusals
from streamlake.engine.state import CommonRefusal

LETTER = DeadLetter(ORDERS, 0, 0, 0, None, b"", (), "invalid", "/items/0/qty", "", 1, 0)


def letter(offset: int, message: str) -> DeadLetter:
    return replace(LETTER, offset=offset, message=message)


def test_messages_that_differ_in_values_alone_are_one_kind() -> None:
    letters = [letter(4, "no id"), *(letter(n, f"/qty breaks `minimum` with -{n}: is less than 0") for n in (5, 9))]
    first, second = common_refusals(letters)
    assert (first.count, first.offset, first.field, first.reason) == (2, 5, "/items/*/qty", "invalid")
    assert "`minimum`" in first.message
    assert "-5" not in first.message, "values of records are not for /status"
    assert second == CommonRefusal("invalid", "/items/*/qty", "no id", 1, 4)


def test_of_a_large_batch_some_are_looked_at_and_the_counts_are_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []

    def folded(message: str) -> str:
        looked_at.append(message)
        return message

    monkeypatch.setattr(refusals, "folded_message", folded)
    letters = [letter(n, "no id") for n in range(100 * LOOKED_AT_MAX + 1)]
    (only,) = common_refusals(letters)
    assert only.count == len(letters)
    assert len(looked_at) <= LOOKED_AT_MAX


def test_no_more_kinds_than_a_report_may_have() -> None:
    kinds = ["one", "two", "three", "four", "five", "six", "seven"]
    assert len(common_refusals([letter(n, kind) for n, kind in enumerate(kinds)])) == KINDS_MAX
    assert common_refusals([]) == ()
