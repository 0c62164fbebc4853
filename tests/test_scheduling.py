"""A process of pytest-xdist that ends in the middle of a test costs that test; no other is waited for in vain."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.dying_workers import Controller
from support.waiting import wait_until

CONFTEST = f"""
import sys
sys.path.append({str(Path(__file__).parent)!r})
from support import whole
from support.scheduling import make_scheduler

whole.LATER_SECONDS = 2

def pytest_configure(config):
    whole.watch(config)

def pytest_xdist_make_scheduler(config, log):
    return make_scheduler(config, log)
"""
MANY = 40
TESTS = f"""
import os, subprocess, threading
from pathlib import Path
import pytest

HERE = Path(__file__).parent
NEVER = threading.Event()

def write(name, what):
    with (HERE / name).open("a") as file:
        file.write(f"{{what}}\\n")

@pytest.fixture
def ending(number):
    yield
    if HOW == "hangs" and number in ENDING:
        NEVER.wait()

@pytest.mark.parametrize("number", range({MANY}))
def test_one(number, ending):
    write("begun", number)
    if number not in ENDING:
        return
    if HOW == "hangs":
        raise ValueError("pytest ends its own limit where a test has failed")
    write("left", subprocess.Popen(["sleep", "1000"]).pid)
    os._exit(6)
"""


def run(folder: Path, *, processes: int, ending: tuple[int, ...], how: str = "ends") -> tuple[dict[str, int], int, str]:
    """How many tests had which outcome, the exit code, and what was printed."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_many.py").write_text(f"HOW, ENDING = {how!r}, {ending!r}\n{TESTS}")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-pxdist",
        "-ppytest_timeout",
        f"-otimeout={3 if how == 'hangs' else 60}",
        f"-n{processes}",
    ]
    done = subprocess.run(
        [*command, "--rootdir", str(folder), str(folder)],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    outcomes = {what: int(count) for count, what in re.findall(r"(\d+) (passed|failed|error)", done.stdout)}
    return outcomes, done.returncode, done.stdout + done.stderr


def begun(folder: Path) -> list[int]:
    return sorted(map(int, (folder / "begun").read_text().split()))


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_whole(folder: Path) -> str:
    return (folder / ".pytest_cache/v/streamlake/whole").read_text()


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("ending", [(), (0,), (MANY - 1,), (19, 20, 21)], ids=str)
def test_each_test_is_run_once_where_some_end_their_process(
    tmp_path: Path, ending: tuple[int, ...], processes: int
) -> None:
    outcomes, code, printed = run(tmp_path, processes=processes, ending=ending)
    assert begun(tmp_path) == list(range(MANY)), printed
    expected = {"passed": MANY - len(ending)} | ({"failed": len(ending)} if ending else {})
    assert (outcomes, code, is_whole(tmp_path)) == (expected, bool(ending), "true"), printed
    if ending:
        left = list(map(int, (tmp_path / "left").read_text().split()))
        assert len(left) == len(ending)
        wait_until(lambda: not any(map(runs, left)), "what a dead process had begun is ended, too")


def test_a_test_that_hangs_at_its_end_ends_its_process_and_no_more(tmp_path: Path) -> None:
    outcomes, code, printed = run(tmp_path, processes=2, ending=(20,), how="hangs")
    assert begun(tmp_path) == list(range(MANY)), printed
    assert (outcomes["passed"], code, is_whole(tmp_path)) == (MANY - 1, 1, "true"), printed
    assert "in ending" in printed  # where it hung


@pytest.mark.parametrize("differs", [False, True], ids=["alike", "who stands in finds other tests"])
def test_processes_may_die_in_any_order(differs: bool) -> None:
    crashed = refused = 0
    for seed in range(1000):
        controller = Controller(seed, differs=differs)
        assert controller.run(), seed
        crashed, refused = crashed + len(controller.crashed), refused + controller.refused
        lost = set(controller.tests) - {*controller.begun, *controller.crashed}
        assert not lost or controller.refused, (seed, lost)
        assert max(controller.begun.values(), default=0) <= 1, (seed, controller.begun)
    assert crashed > 100
    assert (refused > 100) is differs
