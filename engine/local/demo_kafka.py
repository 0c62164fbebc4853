"""The demo's Kafka: one of its own, or one that stays (KEEP=1)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from streamlake.engine.local.demo_kept import KAFKA, kept
from streamlake.engine.local.demo_screen import Screen
from streamlake.engine.local.java import find_java
from streamlake.engine.local.kafka import LocalKafka


@contextmanager
def own_kafka(folder: Path, screen: Screen) -> Iterator[str]:
    """A Kafka with its data in `folder` for as long as the block runs, whatever ends it; its address."""
    _introduce(screen, folder)
    with LocalKafka(data_dir=folder / KAFKA.name, say=screen.say) as kafka:
        yield kafka.bootstrap_servers


@contextmanager
def kept_kafka(folder: Path, streamlake: Sequence[str], screen: Screen) -> Iterator[str]:
    """A Kafka that goes on running after the block, unless Ctrl-C or a failure ends it; its address."""
    _introduce(screen, folder)
    with kept(KAFKA, folder, streamlake, screen) as address:
        yield address


def _introduce(screen: Screen, folder: Path) -> None:
    java = find_java()
    screen.step("A real Apache Kafka, on this machine")
    screen.say(
        f"Java {java.version} is {java.path}. The first time Kafka's jars are fetched, 45 MB; later from a cache."
    )
    screen.command(["streamlake", *KAFKA.command(folder)])
