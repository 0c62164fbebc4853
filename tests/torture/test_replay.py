"""The command that a failed run prints runs the same again."""

import shlex

import pytest
from torture.run import arguments, replay


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--everything"],
        ["--storage", "--until-fault", "--spare", "power cut", "host frozen"],
        ["--mutant", "no read-back: unknown is failed", "--minutes", "2.5"],
    ],
)
def test_a_replay_asks_for_the_same(words: list[str]) -> None:
    asked = arguments().parse_args(["--seed", "7", *words])
    printed = shlex.split(replay(asked, 7))
    assert printed[:3] == ["replay:", "python", "tests/torture/run.py"]
    assert arguments().parse_args(printed[3:]) == asked
