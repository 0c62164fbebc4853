"""Starts the forkserver as a fork of this process, so that what is imported here need not be imported once more.

multiprocessing starts it as a new interpreter, which imports all that a worker needs: a quarter of a second of CPU, a
third of what a start costs. Its protocol is used as it is; only how its process comes to be is another.
"""

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing import forkserver, resource_tracker, util
from pathlib import Path
from typing import NoReturn

NAME = "forkserver"
"""What the process calls itself (`/proc/PID/comm`): its command line is that of the one that forked it."""

_SPAWN = util.spawnv_passfds

TASKS = Path("/proc/self/task")
FORK_SAFE = frozenset({"jemalloc_bg_thd"})
"""Threads whose libraries have handlers for a fork (pthread_atfork(3)): Arrow brings this one."""


def start_forkserver(preload: Sequence[str], *, fork: bool) -> None:
    """Have a forkserver that has imported `preload`; the next `Process` of its context comes from it.

    `fork`: nothing in this process is in the way of one. A thread always is: what it holds, the child would hold for
    ever. Then it is a new interpreter.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    resource_tracker.ensure_running()
    if not fork or not _alone():
        forkserver.ensure_running()
        return
    try:
        util.spawnv_passfds = _fork  # type: ignore[assignment]  # which calls it with text alone
        forkserver.ensure_running()
    finally:
        util.spawnv_passfds = _SPAWN


def _alone() -> bool:
    """Whether there is one thread beside those that mind a fork, libraries' counted; False where nobody says."""
    try:
        names = [(task / "comm").read_text().strip() for task in TASKS.iterdir() if task.name != str(os.getpid())]
    except OSError:
        return False
    return FORK_SAFE.issuperset(names)


def _fork(path: bytes, arguments: Sequence[object], kept: Sequence[int]) -> int:
    """Stands in for `multiprocessing.util.spawnv_passfds`: the last argument is the program, as Python."""
    del path
    util._flush_std_streams()  # type: ignore[attr-defined]  # noqa: SLF001  (each child would write again what waits here)
    pid = os.fork()
    return pid or _become(str(arguments[-1]), kept)


def _become(program: str, kept: Sequence[int]) -> NoReturn:
    """Run the program as an interpreter would that was started with these files alone."""
    code = 1
    try:
        _forget_the_parent()
        begin = 3
        for number in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):
            os.closerange(begin, number)
            begin = max(begin, number + 1)
        with contextlib.suppress(OSError):
            Path("/proc/self/comm").write_text(NAME)
        exec(program, {"__name__": "__main__"})  # noqa: S102  (multiprocessing's own line)
        code = 0
    except SystemExit:
        code = 0  # nobody is left who could ask it for a process
    except BaseException as error:  # noqa: BLE001  (there is nobody above)
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        os._exit(code)


def _forget_the_parent() -> None:
    """What multiprocessing knows of the process that forked us is not true of us: its lock is held for ever, too."""
    util.spawnv_passfds = _SPAWN
    for known in (forkserver._forkserver, resource_tracker._resource_tracker):  # noqa: SLF001  (a new interpreter has new ones)
        type(known).__init__(known)
