"""Tombstones and giants are decided before the validator is asked, and indices stay the batch's own."""

from collections.abc import Sequence
from dataclasses import replace

from support.batches import batch_of

from streamlake.engine.policy import Policies, decide
from streamlake.engine.records import UNREADABLE_HEADERS, Batch, Header, Refusal, Verdict

SKIP = Policies("skip", 10, 3)
REFUSE = Policies("refuse", 10, 3)


def refuse_b(batch: Batch) -> Verdict:
    assert None not in batch.values
    return Verdict([Refusal(i, "invalid", "b") for i, value in enumerate(batch.values) if value == b"b"])


def test_a_tombstone_is_skipped_or_refused_by_policy() -> None:
    batch = batch_of([b"a", None, b"b", b""])
    assert decide(batch, SKIP, refuse_b) == Verdict([Refusal(2, "invalid", "b")], [1])
    verdict = decide(batch, REFUSE, refuse_b)
    assert [(refusal.index, refusal.reason) for refusal in verdict.refused] == [(1, "tombstone"), (2, "invalid")]


def test_a_value_over_the_limit_is_refused_as_oversize_and_one_at_the_limit_is_not() -> None:
    verdict = decide(batch_of([b"x" * 11, b"y" * 10, b"b"]), SKIP, refuse_b)
    assert [(refusal.index, refusal.reason) for refusal in verdict.refused] == [(0, "oversize"), (2, "invalid")]
    assert "11 bytes" in verdict.refused[0].message


def test_a_record_whose_headers_can_not_be_read_is_refused_and_no_other() -> None:
    batch = replace(batch_of([b"a", b"c", b"b"]), headers=[None, UNREADABLE_HEADERS, None])
    verdict = decide(batch, SKIP, refuse_b)
    assert [(refusal.index, refusal.reason) for refusal in verdict.refused] == [(1, "malformed"), (2, "invalid")]
    assert "headers can't be read" in verdict.refused[0].message


def test_a_record_with_more_headers_than_the_limit_is_refused_as_oversize_and_one_at_the_limit_is_not() -> None:
    values = [b"a", b"c", b"d", b"b", None, None, b"x" * 11]
    given: list[Sequence[Header] | None] = [None, header(3), header(4), [], header(4), header(3), header(9)]
    verdict = decide(replace(batch_of(values), headers=given), SKIP, refuse_b)
    found = [(refusal.index, refusal.reason) for refusal in verdict.refused]
    assert found == [(2, "oversize"), (3, "invalid"), (4, "oversize"), (6, "oversize")]
    assert verdict.refused[0].message == "it has 4 headers, policies.record_headers_max is 3"
    assert verdict.skipped == [5]
    given[0] = UNREADABLE_HEADERS
    verdict = decide(replace(batch_of(values), headers=given), SKIP, refuse_b)
    assert [refusal.index for refusal in verdict.refused] == [0, 2, 3, 4, 6]


def header(count: int) -> list[Header]:
    return [("name", b"value")] * count


def test_an_ordinary_batch_is_handed_to_the_validator_as_it_is() -> None:
    batch = batch_of([b"a", b"b"])
    seen = []

    def validate(given: Batch) -> Verdict:
        seen.append(given)
        return Verdict()

    decide(batch, SKIP, validate)
    assert seen == [batch]
    assert seen[0] is batch


def test_a_batch_of_holes_only_is_decided_without_a_record() -> None:
    assert list(decide(batch_of([], 5, following=9), SKIP, refuse_b).refused) == []


def test_a_validator_is_never_asked_about_nothing() -> None:
    def never(_: Batch) -> Verdict:
        raise AssertionError("asked about nothing")

    assert decide(batch_of([], 5, following=9), SKIP, never) == Verdict()
    assert list(decide(batch_of([None, None]), SKIP, never).skipped) == [0, 1]
