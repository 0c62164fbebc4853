"""The memory that is said of a worker is what Linux says of it."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from streamlake.engine.memory import memory_bytes


def test_it_is_the_proportional_share_of_a_living_process() -> None:
    program = "memory = bytearray(b'x') * 50_000_000; print('made', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        said = memory_bytes(process.pid)
        known = psutil.Process(process.pid).memory_full_info().pss
        process.communicate(b"\n")
    assert said is not None
    assert abs(said - known) < 5_000_000
    assert said > 50_000_000
    assert memory_bytes(process.pid) is None, "it is gone"


def test_an_old_kernel_says_what_is_resident(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_text

    def without_rollup(path: Path) -> str:
        if path.name == "smaps_rollup":
            raise FileNotFoundError(path)
        return read(path)

    monkeypatch.setattr(Path, "read_text", without_rollup)
    said, known = memory_bytes(os.getpid()), psutil.Process().memory_info().rss
    assert said is not None
    assert abs(said - known) < 10_000_000
