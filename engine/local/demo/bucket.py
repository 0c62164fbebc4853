"""The demo's Cloud Storage (SINK=gs): a fake one of its own, or one that stays (KEEP=1)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from streamlake.engine.local.demo.kept import GCS, kept
from streamlake.engine.local.demo.lake import Bucket
from streamlake.engine.local.demo.screen import Screen
from streamlake.engine.local.gcs import LocalGcs


@contextmanager
def own_bucket(folder: Path, screen: Screen) -> Iterator[Bucket]:
    """A bucket whose server has its data in `folder` and runs as long as the block does, whatever ends it."""
    _introduce(screen, folder)
    with LocalGcs(data_dir=folder / GCS.name) as gcs:
        yield Bucket(gcs.endpoint, GCS.command(folder))


@contextmanager
def kept_bucket(folder: Path, streamlake: Sequence[str], screen: Screen) -> Iterator[Bucket]:
    """A bucket whose server goes on running after the block, unless Ctrl-C or a failure ends it."""
    _introduce(screen, folder)
    with kept(GCS, folder, streamlake, screen) as (_, endpoint):
        yield Bucket(endpoint)


def _introduce(screen: Screen, folder: Path) -> None:
    screen.step("A fake Google Cloud Storage, on this machine")
    screen.say("fake-gcs-server, from pip: it speaks Google's JSON API, and keeps each object as a file.")
    screen.command(["streamlake", *GCS.command(folder)])
