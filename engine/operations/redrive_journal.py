"""What a redrive writes down of itself: what it is about to send, before it does, and what has arrived, after that.

    begin   what was asked for, and up to which offset of each partition letters are looked at
    batch   these letters are sent now; without a `done` right after it, each of them may have arrived
    done    all of them arrived, but those named here: `not_sent` surely did not, `in_doubt` may have
    end     nothing is left

Each is the note with the next number, created once: of two processes that go on with one redrive, the one that finds
its number taken is fenced, and stops.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from streamlake.engine.codes.ledger import UNKNOWN_VERSION
from streamlake.engine.errors import FencedError, LedgerDamagedError
from streamlake.engine.operations.journals import Journals
from streamlake.engine.operations.redrive_types import Place
from streamlake.engine.records import TopicPartition, ranges_of

VERSION = 1
FOLDER = "_redrives"
"""Below the root; in it a folder for each redrive."""

Upto = Mapping[tuple[str, TopicPartition], int]
"""For each run and partition the first offset whose letter is not looked at any more; "" for the dead-letter topic."""


class Places:
    """A set of places: numbers below what they share."""

    def __init__(self, places: Iterable[Place] = ()) -> None:
        self._offsets: dict[tuple[str, str, str, int], set[int]] = {}
        self.add(places)

    def __contains__(self, place: Place) -> bool:
        return place.offset in self._offsets.get(place[:4], ())

    def __len__(self) -> int:
        return sum(map(len, self._offsets.values()))

    def __iter__(self) -> Iterator[Place]:
        return (
            Place(*shared, offset=offset) for shared, offsets in self._offsets.items() for offset in sorted(offsets)
        )

    def add(self, places: Iterable[Place]) -> None:
        """Put places in."""
        for place in places:
            self._offsets.setdefault(place[:4], set()).add(place.offset)

    def remove(self, places: Iterable[Place]) -> None:
        """Take places out; those that are not in are fine."""
        for place in places:
            self._offsets.get(place[:4], set()).discard(place.offset)

    def encoded(self) -> list[list[object]]:
        """For JSON: what places share, then their offsets as ranges `[first, next]`."""
        return [
            [*shared, [[part.first, part.next] for part in ranges_of(sorted(offsets))]]
            for shared, offsets in sorted(self._offsets.items())
        ]

    @classmethod
    def decoded(cls, fields: Iterable[Sequence[Any]]) -> Self:
        """The other way."""
        return cls(
            Place._make((*shared, offset))
            for *shared, parts in fields
            for first, following in parts
            for offset in range(first, following)
        )


@dataclass
class Known:
    """What a journal says of letters: those that have arrived, and those that may have."""

    sent: Places = field(default_factory=Places)
    in_doubt: Places = field(default_factory=Places)

    def arrived(self, places: Iterable[Place]) -> None:
        """These are there."""
        places = list(places)
        self.sent.add(places)
        self.in_doubt.remove(places)


@dataclass
class RedriveJournal:
    """One redrive's notes, read whole; `begin` is None where there are none yet. `known` is as it was when read."""

    journals: Journals
    name: str
    known: Known
    count: int
    begin: Mapping[str, Any] | None
    ended: bool
    writer: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def read(cls, journals: Journals, name: str) -> "RedriveJournal":
        """What stands there. Raises LedgerDamagedError."""
        known, notes = Known(), [_decoded(name, number, data) for number, data in enumerate(journals.read(name))]
        pending = Places()
        for number, note in enumerate(notes):
            try:
                kind = note["kind"]
                if kind == "done":  # of the same writer: it has the number after its batch
                    doubtful = Places.decoded(note["in_doubt"])
                    pending.remove(Places.decoded(note["not_sent"]))
                    pending.remove(doubtful)
                    known.arrived(pending)
                else:
                    doubtful = pending
                known.in_doubt.add(doubtful)
                pending = Places.decoded(note["letters"]) if kind == "batch" else Places()
            except (KeyError, TypeError, ValueError) as error:
                raise _damaged(name, number) from error
        known.in_doubt.add(pending)
        ended = bool(notes) and notes[-1]["kind"] == "end"
        return cls(journals, name, known, len(notes), notes[0] if notes else None, ended)

    def write_begin(self, terms: Mapping[str, str], since: datetime | None, until: datetime | None, upto: Upto) -> None:
        """The first note."""
        places = [[run, source.topic, source.partition, first] for (run, source), first in sorted(upto.items())]
        times = {"since": since and since.isoformat(), "until": until and until.isoformat()}
        begin = {"version": VERSION, "terms": dict(terms), "upto": places, **times}
        self._append("begin", **begin)
        self.begin = begin

    def write_batch(self, places: Sequence[Place]) -> None:
        """These are sent now."""
        self._append("batch", letters=Places(places).encoded())

    def write_done(self, not_sent: Sequence[Place], in_doubt: Sequence[Place]) -> None:
        """Those of the batch have arrived, but these."""
        self._append("done", not_sent=Places(not_sent).encoded(), in_doubt=Places(in_doubt).encoded())

    def write_end(self) -> None:
        """Nothing is left."""
        self._append("end")

    def upto(self) -> Upto:
        """What was written at the beginning."""
        assert self.begin is not None, "there is no beginning yet"
        return {(run, TopicPartition(topic, number)): first for run, topic, number, first in self.begin["upto"]}

    def time(self, which: str) -> datetime | None:
        """`since` or `until` as they were at the beginning."""
        assert self.begin is not None, "there is no beginning yet"
        return datetime.fromisoformat(self.begin[which]) if self.begin[which] else None

    def _append(self, kind: str, **fields: object) -> None:
        """Raises FencedError where another writer has taken the number."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        note = {"kind": kind, "writer": self.writer, "written_at": now, **fields}
        if not self.journals.write(self.name, self.count, json.dumps(note, separators=(",", ":")).encode()):
            raise FencedError(
                f"redrive {self.name}: another process goes on with it (note {self.count} is not ours), so this one "
                "has stopped. What it had in hand, if anything, is in doubt: the other one sends it, too, and marks it"
            )
        self.count += 1


def _decoded(name: str, number: int, data: bytes) -> Mapping[str, Any]:
    try:
        note = json.loads(data)
        version = note["version"] if note["kind"] == "begin" else VERSION
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(name, number) from error
    if version != VERSION:
        raise LedgerDamagedError(
            f"redrive {name} is of a version that this StreamLake does not know ({version})", code=UNKNOWN_VERSION
        )
    return note  # type: ignore[no-any-return]  # an object, else there were no `kind` in it


def _damaged(name: str, number: int) -> LedgerDamagedError:
    return LedgerDamagedError(f"note {number} of the redrive {name} is none (cut short or altered): nothing was sent")
