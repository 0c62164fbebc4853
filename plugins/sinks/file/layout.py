"""Where everything lies under the root (DESIGN §5): paths made from checked names, all relative to the root."""

import re

from streamlake.engine.names import checked_run, topic_folder
from streamlake.engine.records import TopicPartition

RUNS = "_runs"
LEDGER = "_ledger"
STAGE = "_stage"
OURS = (RUNS, LEDGER, STAGE)
"""Folders that nobody else writes to."""
NOTES_STAGE = f"{STAGE}/_notes"
"""The folder of notes on their way; no run has this name."""

ENTRIES_PER_FOLDER = 1000

_ENTRY_NAME = re.compile(r"(\d{12})\.json")
_FOLDER_NAME = re.compile(r"\d{8}")
_FINAL_NAME = re.compile(r".*-(\d{5,})-\d{20}-\d{20}\..*")
_SEGMENT_NAME = re.compile(r"(\d{8})\.jsonl\.xz")


def run_path(run: str) -> str:
    """The file that says who `run` is."""
    return f"{RUNS}/{checked_run(run)}.json"


def deleted_path(run: str) -> str:
    """The mark of a run that is being deleted, or was: its name is used up."""
    return f"{RUNS}/{checked_run(run)}.deleted"


def fate_path(run: str, number: int) -> str:
    """What was decided to become of a run, for the so manieth time."""
    return f"{RUNS}/{checked_run(run)}.fate-{number}"


def ledgers_folder(run: str) -> str:
    """The folder of all ledgers of `run`."""
    return f"{LEDGER}/{checked_run(run)}"


def staging_folder(run: str) -> str:
    """The folder of everything that `run` has staged."""
    return f"{STAGE}/{checked_run(run)}"


def ledger_folder(run: str, source: TopicPartition) -> str:
    """The folder of one partition's ledger in `run`."""
    return f"{ledgers_folder(run)}/{topic_folder(source.topic)}/{source.partition:05d}"


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
    return f"{staging_folder(run)}/{topic_folder(source.topic)}/{source.partition:05d}"


def epoch_folder(run: str, source: TopicPartition, epoch: int) -> str:
    """The folder of what the writers of one epoch stage: payloads, and temporary files of put-if-absent."""
    return f"{stage_folder(run, source)}/{epoch:08d}"


def partition_of(final: str) -> int | None:
    """The partition that a final name says its rows are of; None for a name that is none of ours."""
    match = _FINAL_NAME.fullmatch(final.rpartition("/")[2])
    return int(match[1]) if match else None


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
