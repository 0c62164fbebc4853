"""What the environment says of a demo, and the pipeline of each story: the example's YAML with names of its own."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamlake.engine.errors import LocalError

PIPELINE = "config/examples/orders.yaml"
TOPIC, DEAD_TOPIC, GROUP = "streamlake.order.raw", "streamlake.orders.dlq", "streamlake.orders"
ROOT = "${STREAMLAKE_ROOT:-lake}"
SERVERS = "${KAFKA_BOOTSTRAP_SERVERS:-127.0.0.1:9092}"
SINKS = ("file", "gs")
STORIES = ("landing", "failures", "dead-letters", "replay")
RECORDS, RECORDS_MIN = 150_000, 2_000
REPORT = "demo-report.html"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. `folder` is where everything lies that the demo makes, but for its report."""

    records: int
    keep: bool
    servers: str | None
    folder: Path
    streamlake: Sequence[str]
    sink: str = "file"
    stories: Sequence[str] = STORIES

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Raises LocalError for a sink or story that is not known, and for too few records to kill a worker in."""
        text = environment.get("DEMO_RECORDS") or str(RECORDS)
        if not text.isdecimal() or int(text) < RECORDS_MIN:
            raise LocalError(f"DEMO_RECORDS={text}: must be a number, {RECORDS_MIN} or more")
        story = _one_of(("", *STORIES), "STORY", environment)
        return cls(
            records=int(text),
            keep=environment.get("KEEP") == "1",
            servers=environment.get("KAFKA_BOOTSTRAP_SERVERS") or None,
            folder=Path.cwd() / ".demo",
            streamlake=[str(Path(sys.executable).with_name("streamlake"))],
            sink=_one_of(SINKS, "SINK", environment),
            stories=(story,) if story else STORIES,
        )


@dataclass(frozen=True, slots=True)
class Names:
    """What is a story's alone, so that no story counts what another one has sent."""

    topic: str
    dead_topic: str
    group: str

    @classmethod
    def of(cls, story: str, *, mark: str = "") -> "Names":
        """The first story has the names of the example; `mark` goes behind all names on a cluster of others."""
        behind = "".join(f".{part}" for part in ("" if story == STORIES[0] else story, mark) if part)
        return cls(TOPIC + behind, DEAD_TOPIC + behind, GROUP + behind)


def mark_of_now() -> str:
    """For topics and groups that nobody else has."""
    return time.strftime("demo-%Y%m%d-%H%M%S")


def story_yaml(example: str, names: Names, servers: str, root: str, more: str = "") -> str:
    """The example's YAML for a story; `more` are lines that follow the group's.

    Raises LocalError where the example lacks what is to be changed.
    """
    changes = {
        SERVERS: servers,
        f"group_id: {GROUP}\n": f"group_id: {names.group}\n{more}",
        f"name: {TOPIC}\n": f"name: {names.topic}\n",
        f"name: {DEAD_TOPIC}\n": f"name: {names.dead_topic}\n",
        f"root: {ROOT}\n": f"root: {root}\n",
    }
    _, _, text = example.partition("\npipeline:")
    text = f"pipeline:{text}"
    for old, new in changes.items():
        if text.count(old) != 1:
            raise LocalError(f"{PIPELINE} has {old.strip()!r} {text.count(old)} times, not once: the demo can't use it")
        text = text.replace(old, new)
    return f"# {PIPELINE}, with names and places of a story's own; made by `make demo`.\n{text}"


def _one_of(known: Sequence[str], variable: str, environment: Mapping[str, str]) -> str:
    """What a variable says, or the first one that is known. Raises LocalError for another."""
    value = environment.get(variable) or known[0]
    if value not in known:
        raise LocalError(f"{variable}={value}: must be one of {', '.join(filter(None, known))}")
    return value
