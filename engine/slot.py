"""One partition in its supervisor's hands: the worker it has, the deaths it had, and what is said of it."""

import time
from datetime import UTC, datetime, timedelta

import structlog

from streamlake.engine.backoff import Backoff, RestartLimits
from streamlake.engine.child import Child
from streamlake.engine.codes.base import Code
from streamlake.engine.codes.processes import DIED_TOO_OFTEN, NOT_STARTED, WORKER_ENDED
from streamlake.engine.codes.storage import DISK_FULL
from streamlake.engine.contracts import TopicFacts
from streamlake.engine.errors import Exit
from streamlake.engine.memory import memory_bytes
from streamlake.engine.messages import Progress
from streamlake.engine.pace import Pace
from streamlake.engine.records import TopicPartition
from streamlake.engine.repeats import Repeats
from streamlake.engine.retention import Unread
from streamlake.engine.retention_watch import RetentionWatch
from streamlake.engine.state import PartitionState, Phase

log = structlog.get_logger("streamlake.supervisor")

NEVER = float("inf")

RATES_MAX = 60
WAIT_REASONS_MAX = 20
WAIT_REASON_LETTERS_MAX = 40
"""A sink of somebody's own may give a sentence with an address in it: each would be a time series of its own."""
NO_ROOM_SECONDS = 15.0
"""How long after a worker that found no room on the disk the next one starts."""
MEMORY_SECONDS = 15.0
"""How often a worker's memory is looked up: a millisecond each time."""


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
        self.landed_ms: int | None = None  # the latest time of a record in the last batch
        self.retention = RetentionWatch()
        self._pace = Pace()
        self._caught_up_ms: int | None = None  # when nothing was unread
        self._memory_at = -NEVER
        self._backoff = Backoff(restarts)
        self._fenced_at: float | None = None
        self._repeats = Repeats()
        self._ended: dict[str, str] = {}  # what was said of the worker's last end
        self._again = False  # start again when this worker has drained
        self._end_said = False  # by whoever has killed this worker

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
        self._say_ended("not started", why, NOT_STARTED.number)
        self._count_death("not started")
        self.due_at = NEVER
        self._retry(NOT_STARTED.number, why)

    def start(self, child: Child) -> None:
        """Take a worker that was just started."""
        self.child, self.state.pid = child, child.pid
        self.asked_facts, self.asked_id_since, self.state.restart_at = False, None, None
        self._memory_at, self._end_said = -NEVER, False
        self.phase("recovering")

    def facts(self, facts: TopicFacts, *, with_group: bool = True) -> None:
        """Take in what the broker says; `with_group`: of the group's offset, too."""
        self.state.end = facts.high
        if self.state.lag == 0:
            self._caught_up_ms = _now_ms()
        if with_group or self.state.next is not None:
            self.retention.facts(facts)
        self._say_what_is_left()

    def broker_waits(self, since: str | None) -> None:
        """Take in since when the broker does not answer; the last known end says nothing about the lag then."""
        self.state.broker_since = since
        if since is not None:
            self.state.end = self.state.lag_seconds = None

    def topic_gone(self, since: str | None) -> None:
        """Take in since when the cluster has no such topic; then it has no end, and deletes nothing of it."""
        self.state.gone_since = since
        if since is not None:
            self.state.end = self.state.lag_seconds = self.state.retention_seconds_left = None

    def given_away(self) -> None:
        """Take in that the group gave the partition away while the broker did not answer; what is parked stays so."""
        self.due_at = NEVER
        if self.state.phase != "parked":
            self.state.restart_at = None
            why = "this engine's place in the group is over; the group says who goes on"
            self.phase("waiting", f"{why} within session.timeout.ms (45 s by default), nothing is to be done")

    def unread(self, unread: Unread) -> None:
        """Take in what the broker says of the records that have not landed."""
        self.retention.unread(unread)
        self._say_what_is_left()

    def progress(self, progress: Progress) -> None:
        """Take in what the worker reports: on start, then after each commit."""
        state = self.state
        state.next = progress.next
        if state.phase not in ("draining", "reading"):
            self.phase(progress.phase)
        if progress.committed_at is None:
            return
        self._backoff.forget()
        self.holds(0, 0.0)
        state.landed += progress.landed
        state.refused += progress.refused
        state.skipped += progress.skipped
        state.bytes += progress.bytes
        state.batches += 1
        for reason, count in progress.reasons.items():
            state.refused_reasons[reason] = state.refused_reasons.get(reason, 0) + count
        state.last_commit_at, state.last_commit_bytes = progress.committed_at, progress.bytes
        state.ledger_seq = progress.seq
        state.last_commit_rows = progress.landed + progress.refused + progress.skipped
        state.last_commit_seconds, state.last_commit_steps = progress.seconds, dict(progress.steps)
        self._pace.take(time.monotonic(), progress)
        self.landed_ms = progress.timestamp_ms or self.landed_ms
        self._say_pace(time.monotonic())
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

    def look(self, now: float) -> None:
        """Bring up to date what changes while nothing comes: rates, lag in seconds, memory. Every few seconds."""
        state = self.state
        self._say_pace(now)
        state.rates = [*state.rates[1 - RATES_MAX :], round(state.records_per_second, 1)]
        if state.pid is not None and now - self._memory_at >= MEMORY_SECONDS:
            self._memory_at, state.memory_bytes = now, memory_bytes(state.pid)

    def holds(self, rows: int, seconds_left: float) -> None:
        """Take in what the worker has read and not landed yet."""
        self.state.held = rows
        self.state.closes_at = _iso(datetime.now(UTC) + timedelta(seconds=seconds_left)) if rows else None

    def storage_wait(self, reason: str | None) -> None:
        """Take in that the worker waits for the storage, or that it answers again."""
        state = self.state
        if reason is None:
            state.storage_since, state.storage_why = None, ""
            return
        state.storage_since, state.storage_why = state.storage_since or _now(), reason
        waits, reason = state.storage_waits, reason.partition(": ")[0]
        if reason not in waits and (len(waits) >= WAIT_REASONS_MAX or len(reason) > WAIT_REASON_LETTERS_MAX):
            reason = "other"
        waits[reason] = waits.get(reason, 0) + 1

    def kill(self, why: str, code: Code = WORKER_ENDED, *, said: bool = False) -> None:
        """End the worker at once; `said`: whoever does it has told the log."""
        if self.child is not None:
            self.child.kill(why, code)
            self._end_said = said

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
        exit_code, why, code = child.bury()
        self.child, self.state.pid, self.due_at, self.state.memory_bytes = None, None, NEVER, None
        self.storage_wait(None)
        self.holds(0, 0.0)
        name = exit_code.name.lower() if exit_code is not None else "killed"
        if exit_code is Exit.DONE:
            self.due_at = 0.0 if self._again else NEVER
            self.phase("done" if not self._again else "waiting")
            self._again = False
            return exit_code
        self._count_death(name)
        self._say_ended(name, why, code)
        if exit_code is Exit.SUPERSEDED:
            self.phase("done", why)
        elif exit_code is Exit.FENCED:
            self._fenced_at = time.monotonic()
            self.phase("fenced", f"{code}: {why}")
        elif (child.ended is not None and child.ended.parks) or (bounded and code == DISK_FULL.number):
            self._park(code, why)
        elif child.draining_since is None or self._again:
            self._retry(code, why)
        if bounded and exit_code is Exit.FENCED:
            self.due_at = NEVER  # a bounded run never duels with the partition's new owner
        return exit_code

    def confirmed(self, asked_at: float) -> None:
        """Let a fenced worker's successor start: the coordinator, asked after the fencing, counts us in."""
        if self._fenced_at is not None and asked_at > self._fenced_at:
            self._fenced_at = None
            self.due_at = time.monotonic()
            self.phase("waiting")

    def _say_what_is_left(self) -> None:
        left = self.retention.seconds_left(self.state.next, time.monotonic(), _now_ms())
        self.state.retention_seconds_left = left

    def _say_pace(self, now: float) -> None:
        state, pace = self.state, self._pace.look(now)
        state.records_per_second, state.bytes_per_second = pace.records_per_second, pace.bytes_per_second
        state.refused_share, state.refused_most = pace.refused_share, pace.commonest
        state.lag_seconds = self._lag_seconds()

    def _lag_seconds(self) -> float | None:
        """What is unread came after what has landed, and after the moment when nothing was unread."""
        if not self.state.lag:
            return self.state.lag
        known = (self.landed_ms, self._caught_up_ms, self.retention.unread_since_ms(self.state.next))
        since = max((ms for ms in known if ms is not None), default=None)
        return None if since is None else max(0, _now_ms() - since) / 1000

    def _count_death(self, name: str) -> None:
        self.state.last_exit = name
        self.state.restarts[name] = self.state.restarts.get(name, 0) + 1

    def _retry(self, code: str, why: str) -> None:
        self._again = False
        if code == DISK_FULL.number:  # its worker has waited for minutes, and the next one will: nobody has to act here
            self._back_off(NO_ROOM_SECONDS, code, why)
            return
        seconds = self._backoff.died(time.monotonic())
        if seconds is None:
            self._park(DIED_TOO_OFTEN.number, f"its worker died too often (workers.restarts_max), last: {code}: {why}")
            return
        self._back_off(seconds, code, why)

    def _back_off(self, seconds: float, code: str, why: str) -> None:
        self.due_at = time.monotonic() + seconds
        self.state.restart_at = _iso(datetime.now(UTC) + timedelta(seconds=seconds))
        self.phase("backing off", f"{code}: {why}")

    def say_repeats(self, now: float, *, due: bool) -> None:
        """Say how often the worker has ended since that was last said; with `due` once a minute."""
        counted = self._repeats.take(now, due=due)
        if counted is not None:
            about = {name: value for name, value in self._ended.items() if name != "code"}
            code, (times, seconds) = self._ended["code"], counted
            log.warning("worker ended again", **about, times=times, seconds=round(seconds, 1), code=code)

    def _say_ended(self, name: str, why: str, code: str) -> None:
        """Once; the same again is counted, see `say_repeats`. At the level debug each one is said."""
        now, kind = time.monotonic(), (name, code)
        again = self._repeats.goes_on(kind, now)
        if not again:
            self.say_repeats(now, due=False)
            self._repeats.begin(kind, now)
        self._ended = {"partition": str(self.source), "exit": name, "why": why, "code": code}
        if again or self._end_said:
            log.debug("worker ended", **self._ended)
        else:
            log.warning("worker ended", **self._ended)

    def _park(self, code: str, why: str) -> None:
        self.say_repeats(time.monotonic(), due=False)
        self.phase("parked", f"{code}: {why}")
        hint = "mend the cause, then send SIGHUP or restart"
        log.error("parked", partition=str(self.source), why=why, hint=hint, code=code)


def _now() -> str:
    return _iso(datetime.now(UTC))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
