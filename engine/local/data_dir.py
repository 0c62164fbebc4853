"""The folder in which a local server keeps its data for a next time: ours, or left alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamlake.engine.errors import LocalError

GUARDIAN_LOCK_NAME = ".in-use"


def checked_data_dir(data_dir: Path, marker: str) -> Path:
    """`data_dir`, made when missing, as an absolute path. `marker` is the file by which a server knows its own folder.

    Raises LocalError when it holds something and not `marker`, or can't be used.
    """
    with told_as_local_error(data_dir):
        data_dir.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in data_dir.iterdir()}
    foreign = names - {GUARDIAN_LOCK_NAME}
    if foreign and marker not in names:
        raise LocalError(
            f"{data_dir} holds something that is not ours ({', '.join(sorted(foreign)[:3])}) and is left alone; "
            "name a folder that is empty or new"
        )
    return data_dir.resolve()


@contextmanager
def told_as_local_error(folder: Path) -> Iterator[None]:
    """What the operating system refuses becomes a LocalError that names the folder."""
    try:
        yield
    except OSError as error:
        raise LocalError(
            f"{folder} can't be used for the server's data ({error.strerror}); name a folder that you may write to"
        ) from error
