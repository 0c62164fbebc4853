"""The optional package `streamlake-native`: the compiled way of a batch, where it is installed and wanted.

Without it all of StreamLake works the same, and takes more CPU. `STREAMLAKE_NATIVE=0` is as if it were not installed.
"""

import os
from functools import cache
from types import ModuleType

VARIABLE = "STREAMLAKE_NATIVE"


@cache
def compiled() -> ModuleType | None:
    """The module, or None."""
    if os.environ.get(VARIABLE) == "0":
        return None
    try:
        import streamlake_native  # noqa: PLC0415  (asked for once, and only where it is wanted)
    except ImportError:
        return None
    return streamlake_native
