"""Where everything lies under the root (DESIGN §5): paths made from checked names, all relative to the root."""

import hashlib
import re

from streamlake.engine.entries import FileKind
from streamlake.engine.errors import ConfigError
from streamlake.engine.records import OffsetRange, TopicPartition

RUNS = "_runs"
LEDGER = "_ledger"
STAGE = "_stage"

ENTRIES_PER_FOLDER = 1000
FILE_NAME_BYTES_MAX = 230  # POSIX allows 255 (NAME_MAX); the rest is room for what readers and servers append to a name

_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")  # Kafka's own rule: Topic.java, LEGAL_CHARS and MAX_NAME_LENGTH
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENTRY_NAME = re.compile(r"(\d{12})\.json")
_FOLDER_NAME = re.compile(r"\d{8}")
_FINAL_NAME = re.compile(r".*-(\d{5,})-\d{20}-\d{20}\..*")
_SEGMENT_NAME = re.compile(r"(\d{8})\.jsonl\.xz")


def run_path(run: str) -> str:
    """The file that says who `run` is."""
    return f"{RUNS}/{checked_run(run)}.json"


def ledger_folder(run: str, source: TopicPartition) -> str:
    """The folder of one partition's ledger in `run`."""
    return f"{LEDGER}/{checked_run(run)}/{topic_folder(source.topic)}/{source.partition:05d}"


def entry_path(run: str, source: TopicPartition, seq: int) -> str:
    """The slot of ledger entry `seq`; a thousand entries share a folder, so that no listing grows without limit."""
    return f"{entries_folder(run, source, seq // ENTRIES_PER_FOLDER)}/{seq:012d}.json"


def entries_folder(run: str, source: TopicPartition, folder: int) -> str:
    """The folder of the entries that share it, whose number is `folder`."""
    return f"{ledger_folder(run, source)}/{folder:08d}"


def segment_path(run: str, source: TopicPartition, folder: int) -> str:
    """The file into which the entries of a folder are folded when they are old."""
    return f"{entries_folder(run, source, folder)}.jsonl.xz"


def stage_folder(run: str, source: TopicPartition) -> str:
    """The folder of everything staged for one partition in `run`, one folder an epoch below it."""
    return f"{STAGE}/{checked_run(run)}/{topic_folder(source.topic)}/{source.partition:05d}"


def epoch_folder(run: str, source: TopicPartition, epoch: int) -> str:
    """The folder of what the writers of one epoch stage: payloads, and temporary files of put-if-absent."""
    return f"{stage_folder(run, source)}/{epoch:08d}"


def final_path(kind: FileKind, run: str, source: TopicPartition, offsets: OffsetRange, folder: str, suffix: str) -> str:
    """The final name of a file: the only names that glob readers see. `folder` is the partition path or ""."""
    tail = f"-{source.partition:05d}-{offsets.first:020d}-{offsets.next:020d}.{checked_run(run)}{suffix}"
    name = _shortened(topic_folder(source.topic), FILE_NAME_BYTES_MAX - len(tail)) + tail
    return "/".join(part for part in (kind, topic_folder(source.topic), folder, name) if part)


def partition_of(final: str) -> int | None:
    """The partition that a final name says its rows are of; None for a name that is none of ours."""
    match = _FINAL_NAME.fullmatch(final.rpartition("/")[2])
    return int(match[1]) if match else None


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


def seq_of(name: str) -> int | None:
    """The number of the entry with this file name; None for a name that is no entry's."""
    match = _ENTRY_NAME.fullmatch(name)
    return int(match[1]) if match else None


def segment_of(name: str) -> int | None:
    """The number of the folder that was folded into the file with this name; None for any other name."""
    match = _SEGMENT_NAME.fullmatch(name)
    return int(match[1]) if match else None


def number_of(folder: str) -> int | None:
    """The number of a folder of entries or of an epoch; None for any other name."""
    return int(folder) if _FOLDER_NAME.fullmatch(folder) else None


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
