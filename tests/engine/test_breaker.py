"""The breaker trips on a ratio over any window and on a run, and names the commonest reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlake.engine.breaker import Breaker, BreakerLimits
from streamlake.engine.errors import BreakerError
from streamlake.engine.records import Refusal


def refused(*indices: int) -> list[Refusal]:
    return [Refusal(index, "invalid", "amount must be at least 0") for index in indices]


def trips(breaker: Breaker, batches: list[list[bool]]) -> bool:
    try:
        for outcomes in batches:
            breaker.look(len(outcomes), refused(*(i for i, bad in enumerate(outcomes) if bad)))
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
    assert trips(Breaker(BreakerLimits(ratio, window, consecutive)), batches) == (by_ratio or by_run)


def test_a_run_goes_on_from_one_batch_into_the_next() -> None:
    breaker = Breaker(BreakerLimits(1.0, 1000, 3))
    breaker.look(4, refused(2, 3))
    with pytest.raises(BreakerError, match="more than 3 messages were refused in a row"):
        breaker.look(2, refused(0, 1))


def test_it_says_the_commonest_reason_and_what_to_do() -> None:
    breaker = Breaker(BreakerLimits(0.5, 4, 100))
    with pytest.raises(BreakerError, match="amount must be at least 0") as caught:
        breaker.look(4, refused(0, 1, 3))
    assert "SIGHUP" in str(caught.value)
    assert caught.value.parks
