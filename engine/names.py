"""The names of what landed: checked parts of paths, and the one name of each set of rows that a ledger entry has.

`prove` reads the name back and holds it against the entry, so every sink names its rows by `final_path`, also one that
keeps them in a database and has no file of that name.
"""

import hashlib
import re
from dataclasses import dataclass

from streamlake.engine.entries import FileKind
from streamlake.engine.errors import ConfigError
from streamlake.engine.records import OffsetRange, TopicPartition

FILE_NAME_BYTES_MAX = 230  # POSIX allows 255 (NAME_MAX); the rest is room for what readers and servers append to a name

REPLAYS = "replays"
"""A replay's rows lie in a folder of its own below this one."""
SUPERSEDED = "superseded"
"""Rows that readers no longer see lie in a folder of the run that landed them below this one."""

_PLACE = re.compile(rf"((?P<output>(?:{REPLAYS}|{SUPERSEDED})/[^/]+)/)?(?P<kind>raw|dead)/(?P<topic>[^/]+)/.+")
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")  # Kafka's own rule: Topic.java, LEGAL_CHARS and MAX_NAME_LENGTH
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def final_path(
    kind: FileKind,
    run: str,
    source: TopicPartition,
    offsets: OffsetRange,
    folder: str,
    suffix: str,
    output: str = "",
) -> str:
    """The final name of a set of rows, relative to the root; `folder` is the partition path or "", `suffix` with a dot.

    `output` is the run's own folder (`RunIdentity.output`). For a file it is the only name that glob readers see.
    Raises ConfigError for a topic or run that can't be in a path.
    """
    tail = f"-{source.partition:05d}-{offsets.first:020d}-{offsets.next:020d}.{checked_run(run)}{suffix}"
    name = _shortened(topic_folder(source.topic), FILE_NAME_BYTES_MAX - len(tail)) + tail
    return "/".join(part for part in (output, kind, topic_folder(source.topic), folder, name) if part)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a final name lies: `output` is the folder of which it is below `raw/` or `dead/`, "" for the root."""

    output: str
    kind: str
    topic: str


def place_of(final: str) -> Place:
    """What a final name says of its place. Raises ValueError for a name that `final_path` does not make."""
    match = _PLACE.fullmatch(final)
    if match is None:
        raise ValueError(f"{final!r} is no name of rows that landed")
    return Place(match["output"] or "", match["kind"], topic_of(match["topic"]))


def topic_folder(topic: str) -> str:
    """A topic's folder name. Names that readers hide (`_x`, `.x`) or that mean another folder get an escape.

    `%` is no letter of a topic name, so no two topics share a folder. Raises ConfigError on what Kafka forbids.
    """
    if not _TOPIC.fullmatch(topic) or topic in {".", ".."}:
        raise ConfigError(f"{topic!r} is no Kafka topic name: 1 to 249 letters of a-z A-Z 0-9 . _ -")
    return f"%{ord(topic[0]):02X}{topic[1:]}" if topic[0] in "._" else topic


def topic_of(folder: str) -> str:
    """The topic whose folder this is."""
    return chr(int(folder[1:3], 16)) + folder[3:] if folder.startswith("%") else folder


def checked_run(run: str) -> str:
    """`run`, when it can be part of a path. Raises ConfigError."""
    if not _RUN.fullmatch(run):
        raise ConfigError(
            f"{run!r} can't name a run: up to 64 letters of a-z A-Z 0-9 . _ -, the first a letter or digit"
        )
    return run


def _shortened(name: str, bytes_max: int) -> str:
    """`name`, cut where a file name could not hold it; the hash keeps two long topics apart."""
    if len(name) <= bytes_max:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: bytes_max - 17]}~{digest}"
