"""The demo's Kafka: one of its own, one that stays (KEEP=1), or one that was there before."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streamlake.engine.local.demo.kept import KAFKA, kept
from streamlake.engine.local.demo.screen import Screen
from streamlake.engine.local.java import find_java
from streamlake.engine.local.kafka import LocalKafka


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where it is. `restart` and `log` are there for a Kafka of ours alone: others' are left as they are."""

    servers: str
    restart: Callable[[], None] | None = None
    log: Path | None = None


@contextmanager
def own_kafka(folder: Path, screen: Screen) -> Iterator[Cluster]:
    """A Kafka with its data in `folder` for as long as the block runs, whatever ends it."""
    _introduce(screen, folder)
    with LocalKafka(data_dir=folder / KAFKA.name, say=screen.say) as kafka:
        yield Cluster(kafka.bootstrap_servers, kafka.restart, kafka.log_path())


@contextmanager
def kept_kafka(folder: Path, streamlake: Sequence[str], screen: Screen) -> Iterator[Cluster]:
    """A Kafka that goes on running after the block, unless Ctrl-C or a failure ends it."""
    _introduce(screen, folder)
    with kept(KAFKA, folder, streamlake, screen) as (it, address):
        yield Cluster(address, it.restart, folder / KAFKA.name / "node-1" / "broker.log")


def _introduce(screen: Screen, folder: Path) -> None:
    java = find_java()
    screen.step("A real Apache Kafka, on this machine")
    screen.say(
        f"Java {java.version} is {java.path}. The first time Kafka's jars are fetched, 45 MB; later from a cache."
    )
    screen.command(["streamlake", *KAFKA.command(folder)])
