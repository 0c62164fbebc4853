"""A bounded slice of `make torture`, what `make test` has time for; the real thing is its own verb."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")
SEED = 24
MINUTES = 1.5


@pytest.mark.timeout(600)
def test_a_minute_of_torture_loses_doubles_and_alters_nothing(
    kafka_parts: None, record_property: Callable[[str, object], None]
) -> None:
    # The nodes of Kafka are spared here: how they die is Kafka's own affair, and takes longer than a minute to show.
    spared = ["--spare", "broker", "leaders"]
    command = [sys.executable, str(RUN), "--seed", str(SEED), "--minutes", str(MINUTES), *spared]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    *_, last = done.stdout.splitlines()
    assert last.endswith("0 lost, 0 doubled, 0 altered")
    record_property("torture", last)
