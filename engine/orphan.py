"""Ends a process when the one that started it is gone, whatever it is doing at that moment."""

import fcntl
import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait

from streamlake.engine.errors import Exit


def die_with_the_parent() -> None:
    """Call once, first thing in a child of a forkserver; the parent is the process that asked for it.

    The parent holds the other end of a pipe, which the kernel closes with it. On Linux the kernel is told to answer
    that with SIGKILL (fcntl(2), F_SETSIG): it also ends a process that is stopped, or that is in a regular expression
    and lets none of its threads run. Elsewhere a thread waits for it.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    if hasattr(fcntl, "F_SETSIG"):
        pipe = parent.sentinel
        fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
        if wait([pipe], timeout=0):  # it had gone before the kernel was told
            os._exit(Exit.ORPHANED)
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(Exit.ORPHANED)

    threading.Thread(target=watch, name="parent", daemon=True).start()
