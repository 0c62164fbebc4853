"""A process of pytest-xdist that ends in the middle of a test costs that test; no other is waited for in vain."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parent
CONFTEST = """
import sys
sys.path.append({path!r})
from support.scheduling import make_scheduler

def pytest_xdist_make_scheduler(config, log):
    return make_scheduler(config, log)
"""
TESTS = """
import os
from pathlib import Path
import pytest

ENDING = {ending}

@pytest.mark.parametrize("number", range({many}))
def test_one(number):
    with open(Path(__file__).with_name("begun"), "a") as begun:
        begun.write(f"{{number}}\\n")
    if number in ENDING:
        os._exit(6)
"""
MANY = 40


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("ending", [(), (0,), (MANY - 1,), (19, 20, 21)], ids=str)
def test_each_test_is_run_once_where_some_end_their_process(
    tmp_path: Path, ending: tuple[int, ...], processes: int
) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.format(path=str(SUPPORT)))
    (tmp_path / "test_many.py").write_text(TESTS.format(ending=ending, many=MANY))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-pxdist", f"-n{processes}", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    begun = sorted(map(int, (tmp_path / "begun").read_text().split()))
    assert begun == list(range(MANY)), done.stdout
    outcomes = {what: int(count) for count, what in re.findall(r"(\d+) (passed|failed)", done.stdout)}
    expected = {"passed": MANY - len(ending)} | ({"failed": len(ending)} if ending else {})
    assert (outcomes, done.returncode) == (expected, bool(ending)), done.stdout
