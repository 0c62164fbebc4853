"""What the forkserver imports once, so that a worker starts in milliseconds: heavy modules, no client, no thread."""

# ruff: noqa: E402  (the collector is off before anything heavy is imported)

import contextlib
import ctypes
import gc
import os
import signal
import sys
from pickle import UnpicklingError
from types import TracebackType

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h

# What is imported stays: looking for garbage among it again and again is a quarter of the start. `engine/preloaded.py`
# collects once, at the end.
gc.disable()

# Before pyarrow is imported. The default pool, mimalloc, keeps what is freed: 50 MiB a worker that lands 200,000 rows.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

# glibc gives what is large back to the kernel when it is freed, and gets it anew page by page for the next row group:
# some percent of all CPU. What a worker frees it takes again in a moment. Elsewhere there may be no such call.
with contextlib.suppress(AttributeError, OSError):
    _mallopt = ctypes.CDLL(None).mallopt
    _mallopt(M_TRIM_THRESHOLD, 64 * 2**20)
    _mallopt(M_MMAP_THRESHOLD, 32 * 2**20)  # glibc's largest

import click  # noqa: F401  (each child imports the console script again)
import confluent_kafka  # noqa: F401  (imported for its cost, used by the workers)
import fsspec  # noqa: F401
import orjson  # noqa: F401
import pyarrow.compute as _compute  # noqa: F401
import pyarrow.parquet as _parquet  # noqa: F401
import pydantic  # noqa: F401


def _unless_abandoned(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Tell an error of a child that has not come to its own code yet, unless its supervisor died while starting it."""
    if not isinstance(error, EOFError | UnpicklingError | ConnectionError):
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _unless_abandoned

# A Ctrl-C in the terminal and a service manager's TERM reach the whole group; only the supervisor decides.
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
