"""One partition for one process's whole life: recover, then read and land batch after batch, then close."""

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import structlog

from streamlake.engine.codes.kafka import RECREATED
from streamlake.engine.contracts import BatchLimits, PartitionSink, Source
from streamlake.engine.entries import Entry
from streamlake.engine.errors import PositionLostError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.link import Supervision
from streamlake.engine.messages import Progress
from streamlake.engine.pipeline import Path, Report, land
from streamlake.engine.records import Batch
from streamlake.engine.recovery import Recovery, recover
from streamlake.engine.refusals import common_refusals
from streamlake.engine.retention import latest_ms

log = structlog.get_logger("streamlake.worker")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker is put together from (`engine/assembly.py` does it).

    `open_source` reads from `(next, leader_epoch)` on. `until` ends a bounded run: the first offset not to read.
    `suspect` is told before each batch whether the workers before this one died without getting anything done.
    `own_process` is False for a worker that is a thread (memory://): it leaves the process's garbage collector alone.
    """

    recovery: Recovery
    open_source: Callable[[int, int | None], Source]
    path: Callable[[PartitionSink, Callable[[], None], Callable[[Report], None]], Path]
    suspect: Callable[[bool], None]
    limits: BatchLimits
    until: int | None
    own_process: bool


CLAIMS_BEFORE_SUSPICION = 2
"""With our own the third claim in a row: by then a record, not an accident, is the likely cause."""


SLICES_A_COLLECTION = 16

HELD_SECONDS = 5.0
"""How often it is told what a batch holds that stays open; that of a batch that is soon full is not told at all."""
LOOK_SECONDS = 60.0
"""How often a worker to which nothing comes looks whether its run is still the live one. One that commits finds out."""


class Worker:
    """Runs on the main thread of its process; knows nothing of rebalances."""

    def __init__(self, parts: Parts, link: Supervision) -> None:
        self._parts = parts
        self._link = link
        self._read_at = 0.0  # monotonic seconds after the last poll
        self._begun_at: float | None = None  # when the batch in hand got its first slice
        self._path = parts.path(parts.recovery.sink, self._confirm_topic, self._report)
        self._last: Entry | None = None
        self._open: OpenBatch | None = None

    def run(self) -> None:
        """Work until drained or until the bound is reached; every other end is an exception."""
        recovered, claims = recover(self._parts.recovery)
        self._parts.suspect(claims >= CLAIMS_BEFORE_SUSPICION)
        position = recovered.next
        log.debug("claimed", next=position, idle_claims=claims)
        self._link.progress(Progress("reading", position, recovered.leader_epoch))
        source = self._parts.open_source(position, recovered.leader_epoch)
        if self._parts.own_process:
            # Left on, the collector costs a multiple of the parsing itself over hundreds of thousands of rows.
            gc.collect()
            gc.freeze()
            gc.disable()
        rest: Batch | None = None
        looked_at = time.monotonic()
        while not self._finished(position):
            landed = land(self._slices(source, rest), position, self._path)
            if landed is not None:
                position, rest = landed.entry.next, landed.rest
                self._parts.suspect(False)
                self._collect_garbage()
            elif time.monotonic() - looked_at > LOOK_SECONDS:
                self._parts.recovery.still_live()
                looked_at = time.monotonic()
        self._close(source)

    def _finished(self, position: int) -> bool:
        self._link.beat()
        return self._link.draining or (self._parts.until is not None and position >= self._parts.until)

    def _go_on(self) -> bool:
        self._link.beat()
        if self._open is not None:
            self._open.say(self._link, time.monotonic())
        return not self._link.draining

    def _slices(self, source: Source, rest: Batch | None) -> Iterator[Batch]:
        """The next batch: what the last entry could not take of a slice, and then what comes."""
        limits, self._begun_at = self._parts.limits, None
        self._open = OpenBatch(source, 0 if rest is None else len(rest), limits.seconds_max)
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
        log.debug("staged", seconds=round(time.monotonic() - (self._begun_at or self._read_at), 3))
        now = self._link.topic_id(self._read_at)
        if now == known:
            return
        said = "there is no such topic" if now is None else f"its id is {now}"
        last = f"entry {self._last.seq} over {self._last.range}" if self._last else "no entry of this worker"
        raise PositionLostError(
            f"{self._parts.recovery.source}: the topic was deleted{'' if now is None else ' and made anew'} while it "
            f"was read: the ledger knows topic id {known}, the broker says {said}. Nothing of the batch in hand was "
            f"landed; {last} is doubtful, since the broker's answer may have lagged behind: compare it with "
            "`streamlake prove --kafka`.",
            code=RECREATED,
        )

    def _report(self, report: Report) -> None:
        self._last = entry = report.entry
        log.debug("published", first=entry.first, next=entry.next, seq=entry.seq, files=len(entry.files))
        self._link.progress(
            Progress(
                phase="reading",
                next=entry.next,
                leader_epoch=entry.leader_epoch,
                seq=entry.seq,
                first=entry.first,
                seconds=time.monotonic() - (self._begun_at or self._read_at),
                landed=entry.landed,
                refused=entry.refused,
                skipped=entry.skipped,
                bytes=sum(file.bytes for file in entry.files),
                timestamp_ms=latest_ms(entry),
                committed_at=entry.committed_at,
                steps=report.seconds,
                reasons=Counter(letter.reason for letter in report.letters),
                refusals=common_refusals(report.letters),
            )
        )

    def _close(self, source: Source) -> None:
        log.debug("closing")
        failpoint("before_close")
        self._parts.recovery.sink.close()
        failpoint("after_close")
        self._path.dead_letters.close()
        source.close()


class OpenBatch:
    """What a batch holds while it waits for more: told now and then, for nothing of it is in the ledger yet."""

    def __init__(self, source: Source, before: int, seconds_max: float) -> None:
        """`before` records of it were read with the last batch."""
        self._source, self._before, self._seconds_max = source, before, seconds_max
        self._begun_at: float | None = None
        self._said_at = 0.0

    def say(self, link: Supervision, now: float) -> None:
        """Tell the supervisor, if it is time for that (monotonic seconds)."""
        rows = self._before + self._source.in_hand
        if rows == 0:
            return
        if self._begun_at is None:
            self._begun_at = now
            self._said_at = now - HELD_SECONDS / 2
        if now - self._said_at >= HELD_SECONDS:
            self._said_at = now
            link.holds(rows, max(0.0, self._begun_at + self._seconds_max - now))
