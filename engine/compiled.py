"""The optional package `streamlake-native`: the compiled way of a batch, where it is installed and wanted.

Without it all of StreamLake works the same, and takes more CPU. `STREAMLAKE_NATIVE=0` is as if it were not installed.
"""

import os
from functools import cache
from types import ModuleType

VARIABLE = "STREAMLAKE_NATIVE"
VERSION = 3
"""What the module says of itself (`streamlake_native.VERSION`) when it offers what is used of it."""


@cache
def compiled() -> ModuleType | None:
    """The module, or None; one that was built for another StreamLake is told, and left alone."""
    if os.environ.get(VARIABLE) == "0":
        return None
    try:
        import streamlake_native  # noqa: PLC0415  (asked for once, and only where it is wanted)
    except ImportError:
        return None
    found = getattr(streamlake_native, "VERSION", 1)
    if found != VERSION:
        import structlog  # noqa: PLC0415  (asked for on the command line's start, where nothing heavy is loaded)

        log = structlog.get_logger("streamlake.native")
        log.warning("streamlake-native is of another version and is left alone", found=found, wanted=VERSION)
        return None
    return streamlake_native
