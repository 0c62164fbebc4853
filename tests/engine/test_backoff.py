"""Waits double up to a limit; too many deaths within the window end the trying."""

from streamlake.engine.backoff import Backoff, RestartLimits

LIMITS = RestartLimits(restarts_max=4, window_seconds=60, first_seconds=1, last_seconds=5)


def test_waits_double_up_to_the_last_and_then_it_gives_up() -> None:
    backoff = Backoff(LIMITS)
    assert [backoff.died(now) for now in (0.0, 1.0, 2.0, 3.0, 4.0)] == [1, 2, 4, 5, None]


def test_deaths_outside_the_window_are_forgotten() -> None:
    backoff = Backoff(LIMITS)
    waits = [backoff.died(now * 61.0) for now in range(20)]
    assert waits == [1] * 20


def test_a_landed_batch_starts_the_count_anew() -> None:
    backoff = Backoff(LIMITS)
    for now in range(5):
        backoff.died(float(now))
    backoff.forget()
    assert backoff.died(5.0) == 1
