"""Dead letters as the ledger has them: listed by a filter, or looked up by their place in Kafka.

The dead-letter files are the authority (DESIGN §6); the dead-letter topic is a copy, read by `dead_topic`.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry, FileEntry, RunIdentity
from streamlake.engine.errors import UsageError
from streamlake.engine.operations.dead_types import FoundLetter, LetterFilter
from streamlake.engine.operations.ledger_search import committed_at, committed_since, first_seq_where, reaches
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.records import DeadLetter, OffsetRange, TopicPartition


def list_letters(ledger: Ledger, wanted: LetterFilter) -> Iterator[FoundLetter]:
    """The dead letters that are wanted, partition by partition in offset order.

    Reads only the files that may hold one. Raises LedgerDamagedError, FileDamagedError, and UsageError where there is
    no run of the wanted name.
    """
    lineage = Lineage(ledger)
    if wanted.run is not None:
        run = _run_of(lineage, wanted.run)
        for source in filter(wanted.wants_source, ledger.partitions(run.run)):
            yield from _letters_of(ledger, _entries_of(lineage, run, source, wanted), wanted)
        return
    for source in filter(wanted.wants_source, lineage.sources()):
        yield from _letters_of(ledger, lineage.entries(source, wanted.offsets, wanted.since), wanted)


def find_letter(ledger: Ledger, source: TopicPartition, offset: int, run: str | None = None) -> list[FoundLetter]:
    """What became a dead letter at that place, as readers see it or in one run; none where nothing did.

    Of a topic that was made anew there may be one for each that had the name, the oldest first.
    """
    offsets = OffsetRange(offset, offset + 1)
    place = LetterFilter(topic=source.topic, partition=source.partition, offsets=offsets, run=run)
    return list(list_letters(ledger, place))


def fate_of(ledger: Ledger, source: TopicPartition, offset: int, run: str | None = None) -> str:
    """What the run that readers see there (or this run) says of an offset: for whoever looks for a letter in vain."""
    lineage = Lineage(ledger)
    seen = [piece.run for piece in lineage.pieces(source) if offset in piece.range]
    for identity in [*reversed(seen), *reversed(lineage.generations)] if run is None else [_run_of(lineage, run)]:
        if source not in ledger.partitions(identity.run):
            continue
        first_seq = first_seq_where(ledger, identity.run, source, reaches(offset))
        entry = next(iter(ledger.entries(identity.run, source, first_seq)), None)
        if entry is None:
            return f"{source}: offset {offset} is not read yet by run {identity.run}"
        return f"{source}: {_fate_in(entry, offset)} (run {identity.run}, ledger entry {entry.seq})"
    return f"{source}: no run has read this partition"


def _run_of(lineage: Lineage, name: str) -> RunIdentity:
    found = {run.run: run for run in lineage.runs}
    if name not in found:
        raise UsageError(f"--run {name}: there is no such run; there are: {', '.join(found) or 'none'}")
    return found[name]


def _letters_of(ledger: Ledger, entries: Iterable[Entry], wanted: LetterFilter) -> Iterator[FoundLetter]:
    for entry in entries:
        if wanted.offsets is not None and entry.first >= wanted.offsets.next:
            return
        refused_at = committed_at(entry)
        if not entry.refused or not wanted.wants_time(refused_at):
            continue
        if not wanted.wants_validator(entry.validator, entry.fingerprint):
            continue
        if wanted.offsets is not None and entry.next <= wanted.offsets.first:
            continue
        for file in entry.files:
            if file.kind == "dead":
                for letter in filter(wanted.wants, ledger.dead_letters(file)):
                    yield _found(letter, refused_at, entry, file)


def _found(letter: DeadLetter, refused_at: datetime, entry: Entry, file: FileEntry) -> FoundLetter:
    return FoundLetter(
        letter, refused_at, entry.run, entry.validator, file.final, entry.fingerprint, topic_id=entry.topic_id
    )


def _entries_of(lineage: Lineage, run: RunIdentity, source: TopicPartition, wanted: LetterFilter) -> Iterator[Entry]:
    """The entries of one run from the first that can matter, so that a year of others need not be read."""
    ledger, first_seq = lineage.ledger, 0
    if wanted.offsets is not None:
        first_seq = first_seq_where(ledger, run.run, source, reaches(wanted.offsets.first))
    elif wanted.since is not None:
        first_seq = first_seq_where(ledger, run.run, source, committed_since(wanted.since))
    return (lineage.placed(run, entry) for entry in ledger.entries(run.run, source, first_seq))


def _fate_in(entry: Entry, offset: int) -> str:
    if offset < entry.first:
        return f"offset {offset} lies before the run's start at {entry.first}"
    if entry.kind == "gap":
        return f"offset {offset} was given up: {entry.reason}"
    if any(offset in part for part in entry.skipped_offsets):
        return f"offset {offset} was skipped by policy"
    if any(offset in part for part in entry.holes):
        return f"offset {offset} was never delivered by the broker"
    return f"offset {offset} landed"
