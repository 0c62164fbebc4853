"""The forkserver as a fork: it has what its parent imported and nothing that its parent holds."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from support.processes import started
from support.waiting import wait_until

STARTS = """
import os, sys, threading, types
from multiprocessing import get_context
{before}
sys.modules["marker"] = types.ModuleType("marker")  # as if it had been imported, which takes long
held = open("held", "w")
if {thread}:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
from streamlake.engine.forking import start_forkserver
start_forkserver([], fork={fork})
import child
"""

CHILD = """
import os, sys
from multiprocessing import get_context
from pathlib import Path

def look(pipe, fd):
    name = Path(f"/proc/{os.getppid()}/comm").read_text().strip()
    try:
        file = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        file = ""
    pipe.send(("marker" in sys.modules, name, file.endswith("/held")))

def look_further(pipe, fd):  # as a worker that isolates a record: by a forkserver of its own
    process = get_context("forkserver").Process(target=look, args=(pipe, fd))
    process.start()
    process.join()

def asked(target, fd):
    context = get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, fd))
    process.start()
    theirs.close()
    said = ours.recv() if ours.poll(30) else "nothing"
    process.join()
    return said
"""


def run(folder: Path, program: str, *, fork: bool = True, thread: bool = False, before: str = "") -> str:
    """What a program prints that has started a forkserver."""
    (folder / "child.py").write_text(CHILD)
    done = subprocess.run(
        [sys.executable, "-c", STARTS.format(fork=fork, thread=thread, before=before) + program],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_its_children_have_what_was_imported_and_no_open_file(tmp_path: Path) -> None:
    assert run(tmp_path, "print(child.asked(child.look, held.fileno()))") == "(True, 'forkserver', False)"


def test_a_child_can_have_a_forkserver_of_its_own_which_is_a_new_interpreter(tmp_path: Path) -> None:
    said = run(tmp_path, "print(child.asked(child.look_further, held.fileno()))")
    assert said.startswith("(False, ")


def test_what_waits_to_be_written_is_written_once(tmp_path: Path) -> None:
    program = "child.asked(child.look, 0)\nchild.asked(child.look, 0)\nprint('end')"
    assert run(tmp_path, program, before="print('begun')") == "begun\nend"


def test_where_something_is_in_the_way_it_is_a_new_interpreter(tmp_path: Path) -> None:
    look = "print(child.asked(child.look, held.fileno()))"
    assert run(tmp_path, look, fork=False).startswith("(False, ")
    assert run(tmp_path, look, thread=True).startswith("(False, ")


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(CHILD)
    program = STARTS.format(fork=True, thread=False, before="") + (
        "from multiprocessing import forkserver\n"
        "child.asked(child.look, 0)\n"
        "print(forkserver._forkserver._forkserver_pid, flush=True)\n"
        "threading.Event().wait()\n"
    )
    with started([sys.executable, "-c", program], cwd=tmp_path) as parent:
        assert parent.stdout is not None
        forkserver = int(parent.stdout.readline())
        os.kill(forkserver, 0)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{forkserver}").exists() or _is_zombie(forkserver), "the forkserver's end")


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
