"""Runs a command and says what it cost, with everything that it started.

CPU seconds of every descendant, also of those that died on the way or outlived their parent.

    python benchmarks/metered.py COMMAND…      its last line on standard output: {"code": 0, "wall": …, "cpu": …}

How it can be complete: this process is a subreaper (prctl(2)), so a descendant that loses its parent becomes its child
(the forkserver outlives the supervisor). Each process is reaped by its parent or by us, and wait4(2) gives with each
one the CPU time of all that it has reaped itself.
"""

import ctypes
import json
import os
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    """Run it, reap everybody, print the cost."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this kernel knows no subreaper")
    began = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    code, wall, user, system = -1, 0.0, 0.0, 0.0
    while True:
        try:
            reaped, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        user, system = user + usage.ru_utime, system + usage.ru_stime
        if reaped == pid:
            code, wall = os.waitstatus_to_exitcode(status), time.monotonic() - began
    print(json.dumps({"code": code, "wall": wall, "cpu": user + system, "user": user, "system": system}))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
