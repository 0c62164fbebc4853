"""Dead letters as the ledger has them: listed by a filter, or looked up by their place in Kafka.

The dead-letter files are the authority (DESIGN §6); the dead-letter topic is a copy, read by `dead_topic`.
"""

from collections.abc import Iterator

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry, RunIdentity
from streamlake.engine.operations.dead_types import FoundLetter, LetterFilter
from streamlake.engine.operations.ledger_search import committed_at, committed_since, first_seq_where, reaches
from streamlake.engine.records import OffsetRange, TopicPartition


def list_letters(ledger: Ledger, wanted: LetterFilter) -> Iterator[FoundLetter]:
    """The dead letters that are wanted: run by run, partition by partition, in offset order.

    Reads only the files that may hold one. Raises LedgerDamagedError, FileDamagedError.
    """
    for identity in ledger.runs():
        for source in ledger.partitions(identity.run):
            if wanted.wants_source(source):
                yield from _letters_of(ledger, identity, source, wanted)


def find_letter(ledger: Ledger, source: TopicPartition, offset: int) -> list[FoundLetter]:
    """What became a dead letter at that place: one per run at most, the oldest first; none where nothing did."""
    place = LetterFilter(topic=source.topic, partition=source.partition, offsets=OffsetRange(offset, offset + 1))
    return list(list_letters(ledger, place))


def fate_of(ledger: Ledger, source: TopicPartition, offset: int) -> str:
    """What the newest run's ledger says of an offset, as a sentence: for whoever looks for a dead letter in vain."""
    for identity in reversed(ledger.runs()):
        if source not in ledger.partitions(identity.run):
            continue
        first_seq = first_seq_where(ledger, identity.run, source, reaches(offset))
        entry = next(iter(ledger.entries(identity.run, source, first_seq)), None)
        if entry is None:
            return f"{source}: offset {offset} is not read yet by run {identity.run}"
        return f"{source}: {_fate_in(entry, offset)} (run {identity.run}, ledger entry {entry.seq})"
    return f"{source}: no run has read this partition"


def _letters_of(
    ledger: Ledger, identity: RunIdentity, source: TopicPartition, wanted: LetterFilter
) -> Iterator[FoundLetter]:
    for entry in ledger.entries(identity.run, source, _first_seq(ledger, identity.run, source, wanted)):
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
                for letter in ledger.dead_letters(file):
                    if wanted.wants(letter):
                        yield FoundLetter(letter, refused_at, entry.run, entry.validator, file.final, entry.fingerprint)


def _first_seq(ledger: Ledger, run: str, source: TopicPartition, wanted: LetterFilter) -> int:
    """The first entry that can matter, so that a year of others need not be read."""
    if wanted.offsets is not None:
        return first_seq_where(ledger, run, source, reaches(wanted.offsets.first))
    if wanted.since is not None:
        return first_seq_where(ledger, run, source, committed_since(wanted.since))
    return 0


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
