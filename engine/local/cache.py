"""Where downloaded and prepared things are kept for this user, and how two processes share them."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamlake.engine.errors import LocalError


def cache_folder() -> Path:
    """The folder for everything that can be fetched or made again; made when missing.

    `STREAMLAKE_CACHE` names it, else it is `streamlake` in `XDG_CACHE_HOME`, else in `~/.cache` (XDG Base Directory
    Specification). Raises LocalError when it can't be made.
    """
    own = os.environ.get("STREAMLAKE_CACHE")
    xdg = os.environ.get("XDG_CACHE_HOME")
    folder = Path(own) if own else (Path(xdg) if xdg else Path.home() / ".cache") / "streamlake"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalError(
            f"the cache folder {folder} can't be made ({error.strerror}); name another with STREAMLAKE_CACHE"
        ) from error
    return folder


@contextmanager
def only_one_process(lock_path: Path) -> Iterator[None]:
    """Holds `lock_path` (made when missing) for the block; a second process waits here until the first is through.

    The lock is flock(2)'s: it goes with its process, so a kill -9 never leaves it held.
    """
    with lock_path.open("a") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        yield
