"""One partition in its supervisor's hands: the worker it has, the deaths it had, and what is said of it."""

import time
from datetime import UTC, datetime

import structlog

from streamlake.engine.backoff import Backoff, RestartLimits
from streamlake.engine.child import Child
from streamlake.engine.contracts import TopicFacts
from streamlake.engine.errors import Exit
from streamlake.engine.messages import Progress
from streamlake.engine.records import TopicPartition
from streamlake.engine.state import PartitionState, Phase

log = structlog.get_logger("streamlake.supervisor")

NEVER = float("inf")


class Slot:
    """Holds at most one worker; decides what becomes of the partition when that one ends.

    `due_at` is when the next worker may start (monotonic seconds; NEVER: not by itself).
    """

    def __init__(self, source: TopicPartition, restarts: RestartLimits) -> None:
        self.source = source
        self.child: Child | None = None
        self.state = PartitionState(source, since=_now())
        self.due_at = 0.0
        self.asked_facts = False
        self.asked_id_since: float | None = None
        self._backoff = Backoff(restarts)
        self._fenced_at: float | None = None
        self._again = False  # start again when this worker has drained

    @property
    def settled(self) -> bool:
        """No worker runs and none will by itself."""
        return self.child is None and self.due_at == NEVER

    @property
    def failed(self) -> bool:
        """It ended without having landed what it was to land."""
        return self.state.phase in ("parked", "fenced")

    def phase(self, phase: Phase, why: str = "") -> None:
        """Say where the partition is."""
        if (self.state.phase, self.state.why) != (phase, why):
            self.state.phase, self.state.why, self.state.since = phase, why, _now()

    def wait_for_a_place(self, workers_max: int) -> None:
        """Say once that this host may not run more workers."""
        why = f"workers.max is {workers_max}: this host runs no more; raise it, or start another host"
        if self.state.why != why:
            log.warning("waiting", partition=str(self.source), why=why)
        self.phase("waiting", why)

    def not_started(self, why: str) -> None:
        """There is no worker: try again later, as after a death."""
        log.warning("worker ended", partition=str(self.source), exit="not started", why=why)
        self.state.restarts["not started"] = self.state.restarts.get("not started", 0) + 1
        self.due_at = NEVER
        self._retry(why)

    def start(self, child: Child) -> None:
        """Take a worker that was just started."""
        self.child, self.state.pid = child, child.pid
        self.asked_facts, self.asked_id_since = False, None
        self.phase("recovering")

    def facts(self, facts: TopicFacts) -> None:
        """Take in what the broker says."""
        self.state.end = facts.high

    def progress(self, progress: Progress) -> None:
        """Take in what the worker reports: on start, then after each commit."""
        state = self.state
        state.next = progress.next
        if state.phase not in ("draining", "reading"):
            self.phase(progress.phase)
        if progress.committed_at is None:
            return
        self._backoff.forget()
        state.landed += progress.landed
        state.refused += progress.refused
        state.skipped += progress.skipped
        state.bytes += progress.bytes
        state.batches += 1
        state.last_commit_at = progress.committed_at
        log.info(
            "committed",
            partition=str(self.source),
            first=progress.first,
            next=progress.next,
            seconds=round(progress.seconds, 3),
            landed=progress.landed,
            refused=progress.refused,
            skipped=progress.skipped,
            bytes=progress.bytes,
        )

    def storage_wait(self, reason: str | None) -> None:
        """Take in that the worker waits for the storage, or that it answers again."""
        state = self.state
        if reason is None:
            state.storage_since = None
            return
        state.storage_since = state.storage_since or _now()
        state.storage_waits[reason] = state.storage_waits.get(reason, 0) + 1

    def kill(self, why: str) -> None:
        """End the worker at once."""
        if self.child is not None:
            self.child.kill(why)

    def begin_anew(self, restarts: RestartLimits) -> None:
        """Start over with the orders as they are now: after the batch in hand, or at once if parked."""
        self._backoff = Backoff(restarts)
        if self.child is not None:
            self._again = True
            self.child.drain(time.monotonic())
        elif self.state.phase in ("parked", "backing off"):
            self.due_at = 0.0
            self.phase("waiting")

    def bury(self, *, bounded: bool) -> Exit | None:
        """Decide what comes after the worker that has just ended; its exit code, None if it was killed."""
        child = self.child
        assert child is not None
        code, why = child.bury()
        self.child, self.state.pid, self.due_at, self.state.storage_since = None, None, NEVER, None
        name = code.name.lower() if code is not None else "killed"
        if code is Exit.DONE:
            self.due_at = 0.0 if self._again else NEVER
            self.phase("done" if not self._again else "waiting")
            self._again = False
            return code
        self.state.restarts[name] = self.state.restarts.get(name, 0) + 1
        log.warning("worker ended", partition=str(self.source), exit=name, why=why)
        if code is Exit.FENCED:
            self._fenced_at = time.monotonic()
            self.phase("fenced", why)
        elif child.ended is not None and child.ended.parks:
            self._park(why)
        elif child.draining_since is None or self._again:
            self._retry(why)
        if bounded and code is Exit.FENCED:
            self.due_at = NEVER  # a bounded run never duels with the partition's new owner
        return code

    def confirmed(self, asked_at: float) -> None:
        """Let a fenced worker's successor start: the coordinator, asked after the fencing, counts us in."""
        if self._fenced_at is not None and asked_at > self._fenced_at:
            self._fenced_at = None
            self.due_at = time.monotonic()
            self.phase("waiting")

    def _retry(self, why: str) -> None:
        self._again = False
        seconds = self._backoff.died(time.monotonic())
        if seconds is None:
            self._park(f"its worker died too often (workers.restarts_max), last: {why}")
            return
        self.due_at = time.monotonic() + seconds
        self.phase("backing off", why)

    def _park(self, why: str) -> None:
        self.phase("parked", why)
        log.error("parked", partition=str(self.source), why=why, hint="mend the cause, then send SIGHUP or restart")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
