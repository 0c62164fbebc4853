"""What a backend says on a root that may be read and not written: `python -m support.read_only ROOT`.

A program of its own, because it gives its rights away: permissions mean nothing to root. Prints as JSON what each
write raised (null: nothing), and what each reading gave.
"""

import ctypes
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import google_crc32c

from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import StorageError
from streamlake.plugins.sinks.file.backends.base import Backend
from streamlake.plugins.sinks.file.backends.registry import backend_of

CONTENT = b"content"
STAGE = "_stage/live-1/orders/00000/00000001"
ENTRY, STAGED, FINAL = "_ledger/0.json", f"{STAGE}/1.parquet", "raw/orders/orders-1.parquet"
FILE = FileEntry("raw", STAGED, FINAL, 1, len(CONTENT), "", f"{google_crc32c.value(CONTENT):08x}", None, None)


def main(root: str) -> None:
    """Write, take the right to write away, try everything again."""
    backend = backend_of(root, base_dir=Path("/"))
    _stage(backend, STAGED)
    backend.put_if_absent(ENTRY, b"entry", stage=STAGE)
    folder = Path(root.removeprefix("file://"))
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    _give_up_capabilities()
    writes: dict[str, Callable[[], object]] = {
        "put_if_absent": lambda: backend.put_if_absent("_ledger/1.json", b"entry", stage=STAGE),
        "create": lambda: _stage(backend, f"{STAGE}/2.parquet"),
        "publish": lambda: backend.publish(FILE),
        "delete": lambda: backend.delete(STAGED),
    }
    said = {name: _raised(write) for name, write in writes.items()}
    read = [(backend.read(path) or b"").decode() for path in (ENTRY, STAGED)]
    listed = [backend.list("_ledger"), list(backend.walk("_stage")), list(backend.walk("raw"))]
    for path in folders:
        path.chmod(stat.S_IRWXU)
    print(json.dumps({"said": said, "read": read, "listed": listed}))


def _stage(backend: Backend, path: str) -> None:
    with backend.create(path) as out:
        out.write(CONTENT)
        out.seal()


def _raised(write: Callable[[], object]) -> str | None:
    try:
        write()
    except StorageError as error:
        return str(error)
    return None


def _give_up_capabilities() -> None:
    """Be a user like any other: root's writes are refused, too, without CAP_DAC_OVERRIDE (capset(2))."""
    if os.geteuid() != 0:
        return
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, nothing) != 0:
        raise OSError(ctypes.get_errno(), "capset")


if __name__ == "__main__":
    main(sys.argv[1])
