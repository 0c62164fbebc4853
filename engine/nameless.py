"""Hides the program that runs from a process of multiprocessing that is being started."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_one_at_a_time = threading.Lock()


@contextmanager
def nameless_main() -> Iterator[None]:
    """Around `Process.start`: else each child imports the program again, the console script or a user's.

    That is 30 ms of CPU for each, and a program without `if __name__ == "__main__"` would run a second time.
    """
    with _one_at_a_time:  # of two threads the second would take the first one's stand-in for the program
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
