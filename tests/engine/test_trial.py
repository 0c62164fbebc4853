"""A validator is tried in a process of its own: what it does there harms nobody, and nobody waits for it."""

import pytest
from support.poisons import end_the_process, make, make_and_raise, never_end, refuse_options
from support.waiting import wait_until

from streamlake.engine.errors import ConfigError
from streamlake.engine.trial import Trial


def passed(trial: Trial) -> bool:
    wait_until(trial.passed, "an answer")
    return True


def test_one_that_can_be_made_passes() -> None:
    assert passed(Trial(make))


@pytest.mark.parametrize(
    ("how", "problems"),
    [
        (refuse_options, ("validator.a: no", "validator.b: no")),
        (make_and_raise, ("validator: it can't be made: ImportError: no module named currencies",)),
        (end_the_process, ("validator: to make it ended its process (exit code 3)",)),
    ],
)
def test_what_is_wrong_is_said(how: object, problems: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        passed(Trial(how))  # type: ignore[arg-type]  # one of three functions
    assert tuple(caught.value.problems) == problems


def test_one_that_never_ends_is_ended_when_its_time_is_up_and_is_asked_in_no_time() -> None:
    trial = Trial(never_end, seconds_max=1.0)
    assert not trial.passed()
    with pytest.raises(ConfigError, match="took more than 1 s"):
        passed(trial)


def test_one_that_is_dropped_ends() -> None:
    trial = Trial(never_end)
    trial.drop()
    assert not trial._child.is_alive()
