"""A bounded slice of `make torture`, what `make test` has time for; the real thing is its own verb."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.processes import end_within

RUN = Path(__file__).with_name("run.py")
SEED = 24
MINUTES = 1.5
SECONDS_MAX = 1500.0
"""Several times what it takes, for all that may wait in it has a limit of its own, and says what it waited for."""


@pytest.mark.timeout(1800)
def test_a_minute_of_torture_loses_doubles_and_alters_nothing(
    kafka_parts: None, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    # The nodes of Kafka are spared here: how they die is Kafka's own affair, and takes longer than a minute to show.
    spared = ["--spare", "broker", "leaders"]
    command = [sys.executable, str(RUN), "--seed", str(SEED), "--minutes", str(MINUTES), *spared]
    # Into a file, which nobody waits for who was left behind with an end of it, as one would for a pipe's end.
    said = tmp_path / "said.txt"
    with said.open("w") as out:
        run = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        end_within(run, SECONDS_MAX)
    text = said.read_text(errors="replace")
    assert run.returncode == 0, text[-6000:]
    last = next(line for line in reversed(text.splitlines()) if line.startswith(f"seed {SEED}: "))
    assert last.endswith("0 lost, 0 doubled, 0 altered")
    record_property("torture", last)
