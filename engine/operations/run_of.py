"""`--run-of`: the range of what has landed, by the name of a file or by the place of a ledger entry."""

import re
from collections.abc import Sequence

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry
from streamlake.engine.errors import UsageError
from streamlake.engine.names import topic_of
from streamlake.engine.operations.ledger_search import first_seq_where, reaches
from streamlake.engine.operations.proof_entries import FileName, parse_file_name
from streamlake.engine.records import OffsetRange, TopicPartition

_ENTRY = re.compile(
    r"(.*/)?(?P<run>[^/]+)/(?P<topic>[^/]+)/(?P<partition>[0-9]{1,6})(/[0-9]{8})?/(?P<seq>[0-9]{1,12})(\.json)?"
)
"""`live-1/orders/3/17`, or the path of the entry's own file below `_ledger/`."""


def range_of(ledger: Ledger, text: str) -> tuple[TopicPartition, OffsetRange]:
    """The partition and the offsets of a landed file or of a ledger entry.

    A file's name is enough; an entry is RUN/TOPIC/PARTITION/SEQ, or the path of its own file below `_ledger/`.
    Raises UsageError where the ledger knows no such thing, LedgerDamagedError.
    """
    entry = _by_place(ledger, text) or _by_name(ledger, text)
    if entry is None:
        raise UsageError(
            f"--run-of {text}: no ledger entry here names it: it must be a landed file's name or path, or an entry as "
            "RUN/TOPIC/PARTITION/SEQ (live-1/orders/0/17)"
        )
    if not entry.range:
        raise UsageError(f"--run-of {text}: ledger entry {entry.seq} is a {entry.kind}, which accounts for no offsets")
    return entry.source, entry.range


def _by_place(ledger: Ledger, text: str) -> Entry | None:
    match = _ENTRY.fullmatch(text)
    if match is None:
        return None
    source, seq = TopicPartition(_topic(match["topic"]), int(match["partition"])), int(match["seq"])
    if not _is_there(ledger, match["run"], source) or seq > ledger.head(match["run"], source).seq:
        return None
    return next(iter(ledger.entries(match["run"], source, seq)))


def _by_name(ledger: Ledger, text: str) -> Entry | None:
    """The entry of which a file with this name is; the file itself may be gone."""
    runs = [identity.run for identity in ledger.runs()]
    topics = {source.topic for run in runs for source in ledger.partitions(run)}
    for topic in sorted(topics):
        name = parse_file_name(text, topic, runs)
        if name is not None and _is_there(ledger, name.run, name.source):
            entry = _entry_named(ledger, name)
            if entry is not None and text.rpartition("/")[2] in _file_names(entry):
                return entry
    return None


def _entry_named(ledger: Ledger, name: FileName) -> Entry | None:
    seq = first_seq_where(ledger, name.run, name.source, reaches(name.range.first))
    return next(iter(ledger.entries(name.run, name.source, seq)), None)


def _file_names(entry: Entry) -> Sequence[str]:
    return [file.final.rpartition("/")[2] for file in entry.files]


def _is_there(ledger: Ledger, run: str, source: TopicPartition) -> bool:
    known = [identity.run for identity in ledger.runs()]
    return run in known and source in ledger.partitions(run)


def _topic(folder: str) -> str:
    """A topic by its name, or by that of its folder, in which a leading `_` or `.` is written as `%5F`."""
    return topic_of(folder) if re.match(r"%[0-9A-F]{2}", folder) else folder
