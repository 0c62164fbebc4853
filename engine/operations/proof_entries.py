"""The rules that a ledger's entries keep among themselves: tiling, counts, epochs, writers and file names."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from streamlake.engine.entries import Entry, FileEntry, RunIdentity, Totals
from streamlake.engine.operations.proof_types import Defect, DefectKind
from streamlake.engine.records import OffsetRange, TopicPartition

_NAME = re.compile(r"(?P<topic>.+)-(?P<partition>\d{5,})-(?P<first>\d{20})-(?P<next>\d{20})\.(?P<run>.+)\.[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class FileName:
    """What the last part of a published file's path says: `<topic>-<partition>-<first>-<next>.<run>.<ending>`."""

    source: TopicPartition
    range: OffsetRange
    run: str


def parse_file_name(path: str, topic: str, runs: Sequence[str] = ()) -> FileName | None:
    """The parts of a file's name (DESIGN §5), or None for a name that no engine gives to a file of this topic.

    `runs` are the known runs: a run's name may hold dots, so only they tell where it ends and the ending begins.
    """
    match = _NAME.fullmatch(path.rpartition("/")[2])
    if match is None or not _names_topic(match["topic"], topic) or int(match["first"]) > int(match["next"]):
        return None
    tail = path[path.rindex(match["run"]) :]
    run = next((run for run in sorted(runs, key=len, reverse=True) if tail.startswith(f"{run}.")), match["run"])
    offsets = OffsetRange(int(match["first"]), int(match["next"]))
    return FileName(TopicPartition(topic, int(match["partition"])), offsets, run)


def _names_topic(prefix: str, topic: str) -> bool:
    """A leading `_` or `.` is escaped, for readers hide such names; a long topic is cut and ends in a hash."""
    kept, shortened, _ = prefix.rpartition("~")
    return unquote(prefix) == topic or (bool(shortened) and topic.startswith(unquote(kept)))


def entry_defects(
    entry: Entry, before: Entry | None, identity: RunIdentity, source: TopicPartition
) -> Iterator[Defect]:
    """What contradicts in one entry: in itself, with the entry before (None: it is the first), with its run file."""

    def defect(kind: DefectKind, message: str, offsets: OffsetRange | None = None, path: str | None = None) -> Defect:
        return Defect(kind, f"entry {entry.seq}: {message}", identity.run, source, offsets, path)

    if (entry.run, entry.source) != (identity.run, source):
        yield defect("ledger", f"says it is of run {entry.run}, {entry.source}")
    wanted_id = identity.topic_ids.get(source.topic, before.topic_id if before else entry.topic_id)
    if entry.topic_id != wanted_id:
        yield defect("run", f"was written for topic id {entry.topic_id}, the run is of {wanted_id}")
    for message in _order_faults(entry, before):
        yield defect("ledger", message)
    start = before.next if before else identity.start_of(source)
    if start is not None and entry.first > start:
        yield defect("hole", f"begins at {entry.first}, should at {start}", OffsetRange(start, entry.first))
    elif start is not None and entry.first < start:
        kind: DefectKind = "duplicate" if before else "run"
        yield defect(kind, f"begins at {entry.first}, should at {start}", OffsetRange(entry.first, start))
    for message in (*_shape_faults(entry), *_count_faults(entry)):
        yield defect("ledger", message, entry.range)
    for file in entry.files:
        for message in _name_faults(entry, file, identity.output):
            yield defect("foreign", message, entry.range, file.final)


def _order_faults(entry: Entry, before: Entry | None) -> Iterator[str]:
    """Sequence, chain, totals, epochs and writers: who may follow whom."""
    if entry.seq != (before.seq + 1 if before else 0):
        yield f"follows entry {before.seq}" if before else "is the first one there"
    if entry.previous_sha256 != (before.sha256 if before else ""):
        yield f"names {entry.previous_sha256!r} as the hash of the one before"
    if entry.totals != (before.totals if before else Totals()).plus(entry.kind, entry, entry.committed_at):
        yield "says other totals than the entry before with its own counts added"
    if entry.kind == "claim":
        yield from _claim_faults(entry, before)
    elif before is None:
        yield f"is the first one and no claim, but {entry.kind}"
    else:
        if before.kind == "close":
            yield f"is a {entry.kind} entry after a close: only a claim may follow"
        if (entry.epoch, entry.writer) != (before.epoch, before.writer):
            yield (
                f"is by writer {entry.writer} in epoch {entry.epoch}; "
                f"{before.writer} holds the partition in epoch {before.epoch}"
            )


def _claim_faults(entry: Entry, before: Entry | None) -> Iterator[str]:
    """A claim is of the next epoch, and by a new writer; a ledger that was closed for good takes none."""
    if entry.epoch != (before.epoch + 1 if before else 1):
        yield f"claims epoch {entry.epoch} after {before.epoch if before else 0}"
    if before and entry.writer == before.writer:
        yield f"is a claim by the writer that held the partition already ({entry.writer})"
    if before and before.final:
        yield "is a claim after a close that was final: nothing may follow"


def _shape_faults(entry: Entry) -> Iterator[str]:
    """What an entry of its kind may hold."""
    if entry.kind in ("claim", "close"):
        if entry.first != entry.next or entry.files or entry.read:
            yield f"a {entry.kind} accounts for nothing, this one for {entry.range}"
        return
    if entry.first == entry.next:
        yield f"a {entry.kind} entry over no offsets"
    if entry.kind == "gap" and (entry.files or entry.read or not entry.reason):
        yield "a gap holds a reason and no files"
    for what, spans in (("holes", entry.holes), ("skipped offsets", entry.skipped_offsets)):
        if not _ascend_within(spans, entry.range):
            yield f"its {what} are not ascending ranges within {entry.range}"
    if not _ascend_within(sorted([*entry.holes, *entry.skipped_offsets]), entry.range):
        yield "an offset is said to be both skipped and a hole"


def _count_faults(entry: Entry) -> Iterator[str]:
    """The sums of DESIGN §5."""
    if entry.kind != "data":
        return
    holes, skipped = sum(map(len, entry.holes)), sum(map(len, entry.skipped_offsets))
    if entry.landed + entry.refused + entry.skipped + holes != len(entry.range):
        yield (
            f"landed {entry.landed} + refused {entry.refused} + skipped {entry.skipped} + holes {holes} "
            f"are not the {len(entry.range)} offsets of its range"
        )
    if entry.read != entry.landed + entry.refused + entry.skipped:
        yield f"read {entry.read} is not landed {entry.landed} + refused {entry.refused} + skipped {entry.skipped}"
    if entry.skipped != skipped:
        yield f"counts {entry.skipped} skipped and names {skipped}"
    for kind, counted in (("raw", entry.landed), ("dead", entry.refused)):
        rows = sum(file.rows for file in entry.files if file.kind == kind)
        if rows != counted:
            yield f"its {kind} files are said to hold {rows} rows, its counts say {counted}"


def _name_faults(entry: Entry, file: FileEntry, output: str) -> Iterator[str]:
    """A file stands in its topic's folder of its kind, under a name that says partition, range and run."""
    folder = f"{output}/{file.kind}" if output else file.kind
    if not file.final.startswith(f"{folder}/") or unquote(file.final[len(folder) + 1 :].split("/")[0]) != entry.topic:
        yield f"its {file.kind} file does not lie under {folder}/{entry.topic}"
    name = parse_file_name(file.final, entry.topic, (entry.run,))
    if name is None or (name.source, name.run) != (entry.source, entry.run):
        yield f"its {file.kind} file is not named as one of {entry.source} in run {entry.run}"
    elif name.range != entry.range:
        yield f"its {file.kind} file is named for {name.range}"


def _ascend_within(spans: Sequence[OffsetRange], within: OffsetRange) -> bool:
    """True when the ranges are not empty, ascend, do not overlap and lie within."""
    position = within.first
    for span in spans:
        if span.first < position or not span:
            return False
        position = span.next
    return position <= within.next
