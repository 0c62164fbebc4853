"""A record that kills, hangs or breaks the validator is refused alone; every other one is decided as ever."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.batches import batch_of
from support.poisons import KilledOnce, make, make_and_be_killed, make_and_raise

from streamlake.engine.errors import BreakerError, IsolationError, ValidatorError
from streamlake.engine.poison import Isolation, validate_isolated

ISOLATION = Isolation(make, seconds_max=1.5, memory_bytes_max=1 << 30, beat=lambda: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("poison", "said"),
    [
        (b"raise", "no such currency table"),
        (b"exit", "exit code 3"),
        (b"segv", "exit code -11"),
        (b"hang", "no answer within 1.5 s"),
        (b"memory", "MemoryError"),
        (b"system exit", "SystemExit"),
    ],
)
def test_the_record_that_fails_alone_is_refused_as_crash_and_no_other(poison: bytes, said: str) -> None:
    verdict = validate_isolated(batch_of([b"a", b"skip", poison, b"b", b"c"]), ISOLATION, [])
    (refusal,) = verdict.refused
    assert (refusal.index, refusal.reason) == (2, "crash")
    assert said in refusal.message
    assert list(verdict.skipped) == [1]


def test_several_poisons_are_each_found() -> None:
    verdict = validate_isolated(batch_of([b"exit", b"a", b"skip", b"raise", b"exit"]), ISOLATION, [])
    assert [refusal.index for refusal in verdict.refused] == [0, 3, 4]
    assert list(verdict.skipped) == [2]


def test_a_child_killed_from_outside_costs_a_repetition_and_no_record(tmp_path: Path) -> None:
    mark = tmp_path / "killed"
    isolation = Isolation(KilledOnce(mark), 30, 1 << 30, lambda: None)  # type: ignore[arg-type]
    assert list(validate_isolated(batch_of([b"a"]), isolation, []).refused) == []
    assert mark.exists()


def test_a_validator_that_cannot_be_made_parks_and_a_child_that_was_killed_before_does_not() -> None:
    raising, killed = (
        Isolation(how, 30, 1 << 30, lambda: None)  # type: ignore[arg-type]
        for how in (make_and_raise, make_and_be_killed)
    )
    with pytest.raises(ValidatorError, match="ImportError: no module named currencies"):
        validate_isolated(batch_of([b"a"]), raising, [])
    with pytest.raises(IsolationError, match=r"the process died \(exit code -9\).*the worker starts again"):
        validate_isolated(batch_of([b"a"]), killed, [])
    assert ValidatorError.parks
    assert not IsolationError.parks


def test_a_validator_that_raises_on_every_record_is_bisected_within_one_child() -> None:
    beats: list[None] = []
    isolation = Isolation(make, 30, 1 << 30, lambda: beats.append(None))  # type: ignore[arg-type]
    verdict = validate_isolated(batch_of([b"raise"] * 500), isolation, [])
    assert [refusal.index for refusal in verdict.refused] == list(range(500))
    assert len(beats) < 20, "one beat before a child, two a second while it works"


def test_a_validator_that_dies_of_too_many_records_parks_the_partition() -> None:
    isolation = replace(ISOLATION, deaths_max=2)
    with pytest.raises(BreakerError, match="dies of more than 2 records in one batch, up to offset 9"):
        validate_isolated(batch_of([b"exit"] * 9), isolation, [])


def test_deaths_are_counted_over_all_slices_of_a_batch() -> None:
    isolation = replace(ISOLATION, deaths_max=2)
    deaths: list[str] = []
    for _ in range(2):
        validate_isolated(batch_of([b"exit", b"a"]), isolation, deaths)
    with pytest.raises(BreakerError, match="dies of more than 2 records in one batch"):
        validate_isolated(batch_of([b"exit", b"a"]), isolation, deaths)
