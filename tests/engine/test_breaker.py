"""The breaker trips on a ratio over any window and on a run, and names the commonest reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.batches import batch_of

from streamlake.engine.breaker import Breaker, BreakerLimits
from streamlake.engine.codes.records import BREAKER_RATIO
from streamlake.engine.errors import BreakerError
from streamlake.engine.records import Batch, Refusal, TopicPartition

FILES = "base.yaml prod.yaml"


def of(rows: int, first: int = 0) -> Batch:
    return batch_of([b"{}"] * rows, first, source=TopicPartition("orders", 3))


def refused(*indices: int) -> list[Refusal]:
    return [Refusal(index, "invalid", "amount must be at least 0") for index in indices]


def trips(breaker: Breaker, batches: list[list[bool]]) -> bool:
    try:
        for outcomes in batches:
            breaker.look(of(len(outcomes)), refused(*(i for i, bad in enumerate(outcomes) if bad)))
    except BreakerError:
        return True
    return False


OUTCOMES = st.lists(st.lists(st.booleans(), max_size=12), max_size=5)


@given(OUTCOMES, st.integers(1, 8), st.floats(0.1, 1.0), st.integers(1, 6))
def test_it_agrees_with_counting_every_window_by_hand(
    batches: list[list[bool]], window: int, ratio: float, consecutive: int
) -> None:
    flat = [bad for batch in batches for bad in batch]
    allowed = int(ratio * window)
    by_ratio = any(sum(flat[i : i + window]) > allowed for i in range(len(flat)))
    by_run = any(all(flat[i : i + consecutive + 1]) for i in range(len(flat) - consecutive))
    assert trips(Breaker(BreakerLimits(ratio, window, consecutive), FILES), batches) == (by_ratio or by_run)


def test_a_run_goes_on_from_one_batch_into_the_next() -> None:
    breaker = Breaker(BreakerLimits(1.0, 1000, 3), FILES)
    breaker.look(of(4), refused(2, 3))
    with pytest.raises(BreakerError, match=r"^4 refused in a row, .*consecutive_max is 3"):
        breaker.look(of(2), refused(0, 1))


def test_it_says_the_commonest_reason_an_example_and_the_command_that_shows_it() -> None:
    breaker = Breaker(BreakerLimits(0.5, 10, 100), FILES)
    found = [
        Refusal(0, "malformed", "not JSON"),
        *(Refusal(index, "invalid", f"/amount must be at least 0, not -{index}", "/amount") for index in (1, 2, 3, 4)),
        Refusal(5, "invalid", "/id must be there", "/id"),
    ]
    with pytest.raises(BreakerError) as caught:
        breaker.look(of(6, first=700), found)
    said = str(caught.value)
    assert said.startswith(
        "6 of the last 6 refused, most often '/amount must be at least #, not #', for instance orders/3/701 "
        "(dead_letters.breaker: ratio_max is 0.5 of 10). "
    )
    shows = "streamlake dry-run base.yaml prod.yaml --from 701 --topic orders --partitions 3 --limit 20"
    assert f"`{shows}`" in said
    assert "SIGHUP" not in said, "whoever parks says that, and once is enough"
    assert caught.value.parks
    assert caught.value.code is BREAKER_RATIO


def test_the_numbers_are_of_the_window_that_was_seen() -> None:
    breaker = Breaker(BreakerLimits(0.5, 4, 100), FILES)
    breaker.look(of(5), refused(0, 4))
    with pytest.raises(BreakerError, match=r"^3 of the last 4 refused, "):
        breaker.look(of(2), refused(0, 1))


@pytest.mark.parametrize("limits", [BreakerLimits(0.1, 10, 100), BreakerLimits(1.0, 10, 2)])
def test_no_value_of_a_record_is_in_what_it_says(limits: BreakerLimits) -> None:
    message = '/iban breaks `value_error` with "DE89 3704": Value error, DE89 3704 of "Erika" is blocked, 17 times'
    found = [Refusal(index, "invalid", message, "/iban") for index in range(5)]
    with pytest.raises(BreakerError) as caught:
        Breaker(limits, FILES).look(of(5), found)
    assert not any(value in str(caught.value) for value in ("DE89", "3704", "Erika", "17 times"))
    assert "/iban breaks `value_error`" in str(caught.value)
