"""Python imports this before anything else, where the folder is on PYTHONPATH: this host's wall clock is wrong.

`STREAMLAKE_TEST_CLOCK` says by how many seconds; each second it jumps to as much on the other side of the true time.
"""

import datetime as dt
import os
import time

WRONG_SECONDS = float(os.environ["STREAMLAKE_TEST_CLOCK"])
_time_ns = time.time_ns


def _wrong_ns() -> int:
    side = 1 if int(time.monotonic()) % 2 else -1
    return _time_ns() + int(side * WRONG_SECONDS * 1e9)


class _WrongDatetime(dt.datetime):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> "_WrongDatetime":
        return cls.fromtimestamp(_wrong_ns() / 1e9, tz)


time.time_ns = _wrong_ns
time.time = lambda: _wrong_ns() / 1e9
dt.datetime = _WrongDatetime  # type: ignore[misc]  # before anybody has taken the name from there
