"""What the demo says of its counts: each sentence is false where its thing is not so."""

from collections import Counter
from dataclasses import replace

import pytest

from streamlake.engine.local.demo import dead_letters_account, failures_account
from streamlake.engine.local.demo.counts import Generated, Ledger, Letters
from streamlake.engine.local.demo.failures_account import Fault
from streamlake.engine.local.demo.landing_account import Landing, Seen, account

MADE = Generated.of(10_000, 0.004, 0.0002)
LETTERS = Letters(Counter(MADE.by_reason), 40, "")
SEEN = Seen(
    in_kafka=10_003,
    posted=3,
    landing=Landing(0, 10_003),
    rows=[(0, 5000, 5000, 0, 5010), (1, 4961, 4961, 0, 4992)],
    in_files=LETTERS,
    in_topic=replace(LETTERS, copies=43),  # copies come at least once
    ledger=Ledger(9961, 40, 2),
    proven=True,
)


def test_counts_that_agree_are_told_as_such() -> None:
    assert all(holds for _, holds in account(MADE, SEEN))


ONE_MORE = Counter(MADE.by_reason) + Counter(invalid=1)


@pytest.mark.parametrize(
    ("off", "sentence"),
    [
        (replace(SEEN, ledger=Ledger(9960, 40, 2)), "in Kafka ="),
        (replace(SEEN, ledger=Ledger(9960, 41, 2)), "made broken"),
        (replace(SEEN, ledger=Ledger(9960, 40, 3)), "tombstones"),
        (replace(SEEN, in_files=replace(LETTERS, by_reason=ONE_MORE)), "as made, so refused"),
        (replace(SEEN, in_files=replace(LETTERS, copies=41)), "dead letters in files"),
        (replace(SEEN, in_topic=replace(LETTERS, by_reason=ONE_MORE)), "in the topic"),
        (replace(SEEN, rows=SEEN.rows[:1]), "rows read back"),
        (replace(SEEN, rows=[(0, 9961, 9960, 0, 9990)]), "different offsets"),
        (replace(SEEN, landing=replace(SEEN.landing, exit_code=1)), "exit code 0"),
        (replace(SEEN, landing=replace(SEEN.landing, records=10_002)), "were committed"),
        (replace(SEEN, posted=2), "posted ="),
        (replace(SEEN, proven=False), "prove"),
    ],
)
def test_a_count_that_is_off_is_told_where(off: Seen, sentence: str) -> None:
    assert [True for told, holds in account(MADE, off) if sentence in told and not holds] == [True]


FAULT = Fault("a worker was killed", sending=True, first=0, at=100, next=1000)
BROKEN = failures_account.Seen(
    acknowledged=10_000,
    in_kafka=10_000,
    faults=[FAULT],
    rows=[(0, 9958, 9958, 0, 9999)],
    in_files=LETTERS,
    in_topic=replace(LETTERS, copies=43),
    ledger=Ledger(9958, 40, 2),
    exit_code=0,
    proven=True,
)


def test_failures_that_lost_nothing_are_told_as_such() -> None:
    assert all(holds for _, holds in failures_account.account(MADE, BROKEN))


@pytest.mark.parametrize(
    ("off", "sentence"),
    [
        (replace(BROKEN, faults=[replace(FAULT, sending=False)]), "in the middle of the load"),
        (replace(BROKEN, faults=[replace(FAULT, at=0)]), "in the middle of the load"),
        (replace(BROKEN, faults=[replace(FAULT, at=1000)]), "in the middle of the load"),
        (replace(BROKEN, acknowledged=9_999), "acknowledged ="),
        (replace(BROKEN, in_kafka=10_001), "acknowledged ="),
        (replace(BROKEN, ledger=Ledger(9957, 40, 2)), "in Kafka ="),
        (replace(BROKEN, rows=[(0, 9958, 9957, 0, 9999)]), "different offsets"),
        (replace(BROKEN, rows=[(0, 9959, 9959, 0, 9999)]), "rows read back"),
        (replace(BROKEN, in_files=replace(LETTERS, copies=41)), "each once"),
        (replace(BROKEN, in_files=replace(LETTERS, by_reason=ONE_MORE)), "each once"),
        (replace(BROKEN, in_topic=replace(LETTERS, by_reason=ONE_MORE)), "dead-letter topic"),
        (replace(BROKEN, ledger=Ledger(9958, 40, 1)), "tombstones"),
        (replace(BROKEN, exit_code=1), "exit code 0"),
        (replace(BROKEN, proven=False), "prove"),
    ],
)
def test_a_failure_that_cost_something_is_told_where(off: failures_account.Seen, sentence: str) -> None:
    found = failures_account.account(MADE, off)
    assert [True for told, holds in found if sentence in told and not holds] == [True]


FIRST = Ledger(9958, 540, 2)
SENT_BACK = dead_letters_account.Seen(
    some=500,
    more=6_000,
    ledgers=(FIRST, FIRST, Ledger(15_958, 540, 2), Ledger(16_458, 540, 2)),
    code=1,
    redriven={"sent": 500, "left_out": {"refused again": 40}},
    each_once=True,
    rows=[(0, 16_458, 16_458, 0, 17_000)],
    letters=540,
    proven=True,
)


def test_dead_letters_that_came_back_are_told_as_such() -> None:
    assert all(holds for _, holds in dead_letters_account.account(MADE, SENT_BACK))


def ledgers(number: int, ledger: Ledger) -> tuple[Ledger, Ledger, Ledger, Ledger]:
    """Those of the story, one of them another one."""
    first, second, third, fourth = (ledger if at == number else one for at, one in enumerate(SENT_BACK.ledgers))
    return first, second, third, fourth


@pytest.mark.parametrize(
    ("off", "sentence"),
    [
        (replace(SENT_BACK, ledgers=ledgers(0, Ledger(9957, 541, 2))), "refused at first"),
        (replace(SENT_BACK, some=499), "refused at first"),
        (replace(SENT_BACK, code=0), "breaker stopped"),
        (replace(SENT_BACK, ledgers=ledgers(1, Ledger(9958, 541, 2))), "they wait in Kafka"),
        (replace(SENT_BACK, ledgers=ledgers(2, Ledger(15_957, 540, 2))), "after the fix"),
        (replace(SENT_BACK, ledgers=ledgers(2, Ledger(15_958, 541, 2))), "after the fix"),
        (replace(SENT_BACK, redriven={"sent": 499, "left_out": {"refused again": 40}}), "sent back,"),
        (replace(SENT_BACK, redriven={"sent": 500, "left_out": {}}), "sent back,"),
        (replace(SENT_BACK, ledgers=ledgers(3, Ledger(16_457, 541, 2))), "refused again"),
        (replace(SENT_BACK, each_once=False), "byte for byte"),
        (replace(SENT_BACK, rows=[(0, 16_458, 16_457, 0, 17_000)]), "different offsets"),
        (replace(SENT_BACK, letters=40), "none is ever deleted"),
        (replace(SENT_BACK, proven=False), "prove"),
    ],
)
def test_a_dead_letter_that_did_not_come_back_is_told_where(off: dead_letters_account.Seen, sentence: str) -> None:
    found = dead_letters_account.account(MADE, off)
    assert [True for told, holds in found if sentence in told and not holds][:1] == [True]
