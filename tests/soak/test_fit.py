"""What the soak calls flat and what it calls growing."""

import pytest
from soak.run import Watched, watched

HOUR = 3600.0


def figure(values: list[float]) -> Watched:
    """Samples spread evenly over an hour."""
    step = HOUR / len(values)
    return Watched("memory", "MiB", 0.1, 5, [(step * (number + 1), value) for number, value in enumerate(values)])


def test_noise_and_a_jump_at_the_start_are_flat() -> None:
    flat = figure([20.0] * 10 + [100.0 + number % 7 for number in range(90)])
    line, verdict = flat.row(HOUR)
    assert verdict, line
    assert line.endswith("flat")


@pytest.mark.parametrize("leak", [0.15, 2.0])
def test_what_rises_steadily_grows_however_slowly(leak: float) -> None:
    line, verdict = figure([100.0 + leak * number + number % 3 for number in range(100)]).row(HOUR)
    assert not verdict, line
    assert line.endswith("GROWS")


def test_every_figure_has_a_limit_of_its_own() -> None:
    assert len(watched()) == 10
    assert all(one.share > 0 and one.least > 0 for one in watched().values())
