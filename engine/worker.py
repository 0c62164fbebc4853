"""One partition for one process's whole life: recover, then read and land batch after batch, then close."""

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from streamlake.engine.contracts import BatchLimits, PartitionSink, Source
from streamlake.engine.entries import Entry
from streamlake.engine.errors import PositionLostError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.link import Supervision
from streamlake.engine.messages import Progress
from streamlake.engine.pipeline import Path, land
from streamlake.engine.records import Batch
from streamlake.engine.recovery import Recovery, recover


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker is put together from (`engine/assembly.py` does it).

    `open_source` reads from `(next, leader_epoch)` on. `until` ends a bounded run: the first offset not to read.
    `suspect` is told before each batch whether the workers before this one died without getting anything done.
    `own_process` is False for a worker that is a thread (memory://): it leaves the process's garbage collector alone.
    """

    recovery: Recovery
    open_source: Callable[[int, int | None], Source]
    path: Callable[[PartitionSink, Callable[[], None], Callable[[Entry], None]], Path]
    suspect: Callable[[bool], None]
    limits: BatchLimits
    until: int | None
    own_process: bool


CLAIMS_BEFORE_SUSPICION = 2
"""With our own the third claim in a row: by then a record, not an accident, is the likely cause."""


SLICES_A_COLLECTION = 16


class Worker:
    """Runs on the main thread of its process; knows nothing of rebalances."""

    def __init__(self, parts: Parts, link: Supervision) -> None:
        self._parts = parts
        self._link = link
        self._read_at = 0.0  # monotonic seconds after the last poll
        self._begun_at: float | None = None  # when the batch in hand got its first slice
        self._path = parts.path(parts.recovery.sink, self._confirm_topic, self._report)
        self._last: Entry | None = None

    def run(self) -> None:
        """Work until drained or until the bound is reached; every other end is an exception."""
        recovered, claims = recover(self._parts.recovery)
        self._parts.suspect(claims >= CLAIMS_BEFORE_SUSPICION)
        position = recovered.next
        self._link.progress(Progress("reading", position, recovered.leader_epoch))
        source = self._parts.open_source(position, recovered.leader_epoch)
        if self._parts.own_process:
            # Left on, the collector costs a multiple of the parsing itself over hundreds of thousands of rows.
            gc.collect()
            gc.freeze()
            gc.disable()
        rest: Batch | None = None
        while not self._finished(position):
            landed = land(self._slices(source, rest), position, self._path)
            if landed is not None:
                position, rest = landed.entry.next, landed.rest
                self._parts.suspect(False)
                self._collect_garbage()
        self._close(source)

    def _finished(self, position: int) -> bool:
        self._link.beat()
        return self._link.draining or (self._parts.until is not None and position >= self._parts.until)

    def _go_on(self) -> bool:
        self._link.beat()
        return not self._link.draining

    def _slices(self, source: Source, rest: Batch | None) -> Iterator[Batch]:
        """The next batch: what the last entry could not take of a slice, and then what comes."""
        limits, self._begun_at = self._parts.limits, None
        if rest is not None:
            self._begun_at = time.monotonic()
            yield rest
            if len(rest) >= limits.rows_max:
                return
            limits = replace(limits, rows_max=limits.rows_max - len(rest))
        for number, part in enumerate(source.slices(limits, self._go_on), 1):
            self._read_at = time.monotonic()
            self._begun_at = self._begun_at or self._read_at
            yield part
            if number % SLICES_A_COLLECTION == 0:
                # The young ones alone: what waits for the end of the batch is not looked at again and again.
                self._collect_garbage(1)

    def _collect_garbage(self, generation: int = 2) -> None:
        """Nobody else does: a validator that keeps its exceptions would keep every payload that it has seen."""
        if self._parts.own_process:
            gc.collect(generation)

    def _confirm_topic(self) -> None:
        """Stop when the topic is not the one the ledger knows, by an answer younger than the last poll."""
        known = self._parts.recovery.topic_id
        now = self._link.topic_id(self._read_at)
        if now == known:
            return
        said = "there is no such topic" if now is None else f"its id is {now}"
        last = f"entry {self._last.seq} over {self._last.range}" if self._last else "no entry of this worker"
        raise PositionLostError(
            f"{self._parts.recovery.source}: the topic was deleted{'' if now is None else ' and made anew'} while it "
            f"was read: the ledger knows topic id {known}, the broker says {said}. Nothing of the batch in hand was "
            f"landed; {last} is doubtful, since the broker's answer may have lagged behind: compare it with "
            "`streamlake prove --kafka`."
        )

    def _report(self, entry: Entry) -> None:
        self._last = entry
        self._link.progress(
            Progress(
                phase="reading",
                next=entry.next,
                leader_epoch=entry.leader_epoch,
                first=entry.first,
                seconds=time.monotonic() - (self._begun_at or self._read_at),
                landed=entry.landed,
                refused=entry.refused,
                skipped=entry.skipped,
                bytes=sum(file.bytes for file in entry.files),
                committed_at=entry.committed_at,
            )
        )

    def _close(self, source: Source) -> None:
        failpoint("before_close")
        self._parts.recovery.sink.close()
        failpoint("after_close")
        self._path.dead_letters.close()
        source.close()
