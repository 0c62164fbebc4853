"""A worker as its supervisor starts it: a process that takes over nothing of the program that runs."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
from multiprocessing.connection import wait
from operator import is_
from streamlake.engine.child import Child
from streamlake.engine.records import TopicPartition

print("this program runs", flush=True)
child = Child(TopicPartition("orders", 0), is_, None, thread=False)
wait([child.sentinel])
print(child.bury())
"""
"""Without `if __name__ == "__main__"`, as a user may write it."""


ABANDONING = """\
import os, select
from multiprocessing import forkserver
from streamlake.engine.child import PRELOAD_FIRST

forkserver.set_forkserver_preload([PRELOAD_FIRST])
forkserver.ensure_running()
sentinel, write_end = forkserver.connect_to_new_process([])
os.write(write_end, {said!r})
os.close(write_end)
select.select([sentinel], [], [])
"""
"""A supervisor that is killed while it tells a new child what to be; `said` is as far as it came."""

ENDED = "the worker ended with exit code 0 and did not say that it was done: a plugin ended it"


def test_a_child_does_not_run_the_program_of_its_supervisor_again(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["this program runs", f"(None, {ENDED!r}, 'SL0703')"]


@pytest.mark.parametrize("said", [b"", b"\x80\x04\x95"])
def test_a_supervisor_that_dies_while_it_starts_a_child_leaves_no_traceback(said: bytes) -> None:
    program = [sys.executable, "-c", ABANDONING.format(said=said)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
