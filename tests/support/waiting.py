"""Waits for what no event announces: a file, a process's state, what another process has committed."""

import threading
import time
from collections.abc import Callable

WAIT_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.02
_NEVER = threading.Event()


def wait_until(holds: Callable[[], bool], what: Callable[[], str] | str, seconds: float = WAIT_SECONDS) -> None:
    """Return as soon as `holds()`; fails with `what` was waited for after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what if isinstance(what, str) else what()}")
        _NEVER.wait(_LOOK_AGAIN_SECONDS)
