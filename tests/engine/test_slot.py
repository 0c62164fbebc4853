"""What becomes of a partition when its worker ends: restarted, parked, or held back until we are counted in."""

import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs
from support.batches import ORDERS

from streamlake.engine.backoff import Backoff, RestartLimits
from streamlake.engine.codes.storage import DISK_FULL
from streamlake.engine.contracts import TopicFacts
from streamlake.engine.errors import Exit
from streamlake.engine.messages import Ended, Progress
from streamlake.engine.slot import NEVER, Slot


@dataclass
class EndedChild:
    """A worker that has ended as told; only what a slot asks of it."""

    ended: Ended | None = None
    killed: str = ""
    draining_since: float | None = None
    pid: int = 1

    def bury(self) -> tuple[Exit | None, str, str]:
        if self.ended is None:
            return (None, self.killed, "SL0703") if self.killed else (Exit.DONE, "", "")
        return self.ended.exit_code, self.ended.why, self.ended.code

    def drain(self, now: float) -> None:
        self.draining_since = now


LIMITS = RestartLimits(restarts_max=2, window_seconds=60)


def slot_with(child: EndedChild) -> Slot:
    slot = Slot(ORDERS, LIMITS)
    slot.start(child)  # type: ignore[arg-type]
    return slot


def died(code: Exit, *, parks: bool = False) -> EndedChild:
    return EndedChild(Ended(code, "because", parks, "SL0401"))


def test_a_killed_worker_is_started_again_after_a_wait() -> None:
    slot = slot_with(EndedChild(killed="the worker was killed by SIGKILL"))
    slot.bury(bounded=False)
    assert (slot.state.phase, slot.state.why) == ("backing off", "SL0703: the worker was killed by SIGKILL")
    assert time.monotonic() < slot.due_at < NEVER
    assert slot.state.restarts == {"killed": 1}


def test_one_that_dies_too_often_is_parked_with_the_last_cause() -> None:
    slot = slot_with(died(Exit.STORAGE))
    with capture_logs() as logs:
        for _ in range(3):
            slot.start(died(Exit.STORAGE))  # type: ignore[arg-type]
            slot.bury(bounded=False)
    told = [(line["event"], line.get("times")) for line in logs if line["log_level"] != "debug"]
    assert told == [("worker ended", None), ("worker ended again", 2), ("parked", None)], "what was counted comes first"
    assert slot.state.phase == "parked"
    assert slot.state.why.startswith("SL0708: its worker died too often ")
    assert slot.state.why.endswith(" last: SL0401: because")
    assert slot.settled
    assert slot.failed


def test_a_disk_that_stays_full_never_parks_a_live_partition_and_parks_a_bounded_one_at_once() -> None:
    slot = slot_with(full := EndedChild(Ended(Exit.STORAGE, "no room", parks=False, code=DISK_FULL.number)))
    for _ in range(10 * LIMITS.restarts_max):
        slot.bury(bounded=False)
        assert slot.state.phase == "backing off"
        assert slot.due_at < NEVER
        slot.start(full)  # type: ignore[arg-type]
    slot.bury(bounded=True)
    assert (slot.state.phase, slot.due_at) == ("parked", NEVER)


def test_what_a_worker_says_of_the_full_disk_is_one_reason_whatever_is_free() -> None:
    slot = slot_with(died(Exit.STORAGE))
    for free in (5, 4):
        slot.storage_wait(f"disk full: /lake has {free} bytes")
    assert slot.state.storage_waits == {"disk full": 2}
    assert slot.state.storage_why.startswith("disk full: /lake has "), "the last one's"
    slot.storage_wait(None)
    assert (slot.state.storage_since, slot.state.storage_why) == (None, "")


def test_a_commit_in_between_forgives_earlier_deaths() -> None:
    slot = slot_with(died(Exit.STORAGE))
    for _ in range(6):
        slot.start(died(Exit.STORAGE))  # type: ignore[arg-type]
        slot.progress(Progress("reading", 5, 0, landed=5, committed_at="2026-01-01T00:00:00Z"))
        slot.bury(bounded=False)
    assert slot.state.phase == "backing off"


@pytest.mark.parametrize("code", [Exit.BREAKER, Exit.LEDGER, Exit.SOURCE])
def test_what_only_a_person_can_mend_is_parked_at_once_and_tried_again_when_told(code: Exit) -> None:
    slot = slot_with(died(code, parks=True))
    slot.bury(bounded=False)
    assert (slot.state.phase, slot.due_at) == ("parked", NEVER)
    slot.begin_anew(LIMITS)
    assert slot.due_at <= time.monotonic()


def test_a_fenced_worker_waits_for_an_answer_that_is_younger_than_the_fencing() -> None:
    slot = slot_with(died(Exit.FENCED))
    before = time.monotonic()
    assert slot.bury(bounded=False) is Exit.FENCED
    assert (slot.state.phase, slot.due_at) == ("fenced", NEVER)
    slot.confirmed(before - 1)
    assert slot.due_at == NEVER
    slot.confirmed(time.monotonic())
    assert slot.due_at <= time.monotonic()


def test_a_bounded_run_never_restarts_a_fenced_worker() -> None:
    slot = slot_with(died(Exit.FENCED))
    slot.bury(bounded=True)
    assert slot.settled
    assert slot.failed


def test_a_drained_worker_is_done_and_one_drained_for_new_orders_starts_again() -> None:
    slot = slot_with(EndedChild())
    slot.bury(bounded=False)
    assert (slot.state.phase, slot.settled) == ("done", True)
    slot = slot_with(EndedChild())
    slot.begin_anew(LIMITS)
    slot.bury(bounded=False)
    assert slot.due_at == 0.0


def test_a_worker_killed_while_it_drained_is_not_started_again() -> None:
    slot = slot_with(EndedChild(killed="not finished within 30 s", draining_since=1.0))
    slot.bury(bounded=False)
    assert slot.due_at == NEVER


def test_counters_add_up_over_workers_and_never_go_back() -> None:
    slot = slot_with(EndedChild(killed="x"))
    for _ in range(2):
        slot.progress(Progress("reading", 7, 0))
        slot.progress(Progress("reading", 9, 0, landed=3, refused=1, skipped=2, bytes=10, committed_at="t"))
    state = slot.state
    assert (state.landed, state.refused, state.skipped, state.bytes, state.batches, state.next) == (6, 2, 4, 20, 2, 9)


def test_what_was_counted_outlives_the_worker_that_reported_it() -> None:
    slot = slot_with(EndedChild(killed="x"))
    batch = Progress("reading", 9, 0, landed=3, refused=1, bytes=10, committed_at="t", reasons={"invalid": 1})
    slot.progress(replace(batch, steps={"commit": 0.5}, seconds=2.0))
    slot.bury(bounded=False)
    slot.start(EndedChild())  # type: ignore[arg-type]
    slot.progress(batch)
    slot.look(time.monotonic())
    state = slot.state
    assert (state.refused_reasons, state.refused_share, state.landed) == ({"invalid": 2}, 0.25, 6)
    assert (state.last_commit_rows, state.last_commit_bytes, state.last_commit_steps) == (4, 10, {})
    assert state.records_per_second == pytest.approx(8 / 2, rel=0.1), (
        "both workers' records, since the first batch began"
    )
    assert state.rates == [round(state.records_per_second, 1)]


def test_what_is_unread_waits_since_what_landed_or_since_nothing_was_unread() -> None:
    slot, now_ms = slot_with(EndedChild()), time.time_ns() // 1_000_000
    slot.progress(Progress("reading", 5, 0))
    slot.facts(facts(high=9))
    slot.look(time.monotonic())
    assert "lag_seconds" not in said_by(slot), "nobody knows yet"
    slot.progress(Progress("reading", 8, 0, landed=3, timestamp_ms=now_ms - 600_000, committed_at="t"))
    assert slot.state.lag_seconds == pytest.approx(600, abs=5)
    slot.progress(Progress("reading", 9, 0, landed=1, timestamp_ms=now_ms - 500_000, committed_at="t"))
    assert slot.state.lag_seconds == 0
    slot.facts(facts(high=9))
    slot.facts(facts(high=10))
    slot.look(time.monotonic())
    assert slot.state.lag == 1
    assert slot.state.lag_seconds == pytest.approx(0, abs=5), "it was not there when nothing was unread"


def facts(high: int) -> TopicFacts:
    return TopicFacts("id", 0, high, None, time.monotonic())


def test_a_worker_that_is_waited_for_says_when_it_starts_and_how_the_last_one_ended() -> None:
    slot = slot_with(died(Exit.STORAGE))
    slot.bury(bounded=False)
    assert slot.state.last_exit == "storage"
    assert slot.state.restart_at is not None
    assert 0 <= (datetime.fromisoformat(slot.state.restart_at) - datetime.now(UTC)).total_seconds() <= 0.2
    slot.start(EndedChild())  # type: ignore[arg-type]
    assert "restart_at" not in said_by(slot)


def said_by(slot: Slot) -> set[str]:
    return {name for name in ("restart_at", "lag_seconds") if getattr(slot.state, name) is not None}


def test_memory_is_the_workers_and_gone_with_it() -> None:
    slot = slot_with(EndedChild(killed="x", pid=os.getpid()))
    slot.look(time.monotonic())
    assert (slot.state.memory_bytes or 0) > 1_000_000
    slot.bury(bounded=False)
    assert slot.state.memory_bytes is None


def test_a_worker_that_could_not_be_started_counts_as_a_death_and_is_tried_again() -> None:
    slot = Slot(ORDERS, LIMITS)
    slot.not_started("the worker could not be started (EOFError: )")
    assert (slot.child, slot.state.phase) == (None, "backing off")
    assert time.monotonic() < slot.due_at < NEVER
    for _ in range(2):
        slot.not_started("the worker could not be started (EOFError: )")
    assert slot.state.phase == "parked"


def test_a_sinks_reasons_to_wait_are_bounded_whatever_it_says() -> None:
    slot = Slot(ORDERS, LIMITS)
    for number in range(100):
        slot.storage_wait(f"status {number}")
    slot.storage_wait("status 3")
    slot.storage_wait("could not reach the storage at 10.0.0.7:9000 within 3 s")
    waits = slot.state.storage_waits
    assert len(waits) == 21
    assert (waits["status 3"], waits["other"]) == (2, 81)
    fresh = Slot(ORDERS, LIMITS)
    fresh.storage_wait("x" * 41)
    assert fresh.state.storage_waits == {"other": 1}


def test_the_same_end_again_and_again_is_said_once_and_then_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    slot, now = slot_with(died(Exit.STORAGE)), [1000.0]
    slot._backoff = Backoff(RestartLimits(restarts_max=100, window_seconds=60))
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with capture_logs() as logs:
        for _ in range(15):
            slot.start(died(Exit.STORAGE))  # type: ignore[arg-type]
            slot.bury(bounded=False)
            slot.say_repeats(now[0], due=True)
            now[0] += 4
        now[0] = 1060.0
        slot.say_repeats(now[0], due=True)
        slot.say_repeats(now[0] + 60, due=True)
    told = [line for line in logs if line["log_level"] != "debug"]
    assert [line["event"] for line in told] == ["worker ended", "worker ended again"]
    about = {name: told[1][name] for name in ("times", "seconds", "partition", "exit", "why", "code")}
    assert about == {
        "times": 14,
        "seconds": 60.0,
        "partition": str(ORDERS),
        "exit": "storage",
        "why": "because",
        "code": "SL0401",
    }
    assert len([line for line in logs if line["event"] == "worker ended"]) == 15, "at debug each is said"


def test_another_end_and_one_after_a_quiet_minute_are_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    slot, now = slot_with(died(Exit.STORAGE)), [1000.0]
    slot._backoff = Backoff(RestartLimits(restarts_max=100, window_seconds=60))
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with capture_logs() as logs:
        for code, seconds in ((Exit.STORAGE, 1), (Exit.STORAGE, 1), (Exit.SOURCE, 61), (Exit.SOURCE, 1)):
            slot.start(died(code))  # type: ignore[arg-type]
            slot.bury(bounded=False)
            now[0] += seconds
        slot.start(died(Exit.BREAKER, parks=True))  # type: ignore[arg-type]
        slot.bury(bounded=False)
    told = [(line["event"], line.get("exit"), line.get("times")) for line in logs if line["log_level"] != "debug"]
    assert told == [
        ("worker ended", "storage", None),
        ("worker ended again", "storage", 1),
        ("worker ended", "source", None),
        ("worker ended", "source", None),
        ("worker ended", "breaker", None),
        ("parked", None, None),
    ]


def test_while_the_broker_is_away_no_lag_is_known_and_with_it_comes_back() -> None:
    slot = slot_with(EndedChild())
    slot.progress(Progress("reading", 9, 0))
    slot.facts(facts(high=9))
    slot.look(time.monotonic())
    assert (slot.state.lag, slot.state.lag_seconds) == (0, 0)
    slot.broker_waits("2026-01-31T14:02:11.000+00:00")
    slot.look(time.monotonic())
    slot.progress(Progress("reading", 10, 0, landed=1, committed_at="t"))
    assert (slot.state.end, slot.state.lag, slot.state.lag_seconds) == (None, None, None)
    slot.facts(facts(high=12))
    slot.broker_waits(None)
    assert (slot.state.broker_since, slot.state.lag) == (None, 2)


def test_a_topic_that_is_gone_has_no_end_and_deletes_nothing_any_more() -> None:
    slot = slot_with(EndedChild())
    slot.progress(Progress("reading", 9, 0))
    slot.facts(facts(high=12))
    slot.state.retention_seconds_left = 60.0
    slot.topic_gone("2026-01-31T14:02:11.000+00:00")
    state = slot.state
    assert (state.end, state.lag, state.lag_seconds, state.retention_seconds_left) == (None, None, None, None)
    slot.topic_gone(None)
    slot.facts(facts(high=12))
    assert (state.gone_since, state.lag) == (None, 3)


@pytest.mark.parametrize(("parks", "phase"), [(True, "parked"), (False, "waiting")])
def test_what_the_group_gave_away_meanwhile_starts_nothing_and_what_is_parked_stays_so(parks: bool, phase: str) -> None:
    slot = slot_with(died(Exit.STORAGE, parks=parks))
    slot.bury(bounded=False)
    slot.given_away()
    assert (slot.state.phase, slot.due_at, slot.state.restart_at) == (phase, NEVER, None)
    assert ("the group says who goes on within session.timeout.ms (45 s by default)" in slot.state.why) == (not parks)


def test_the_groups_offset_is_not_forgotten_by_an_answer_without_one() -> None:
    slot = slot_with(EndedChild())
    slot.facts(replace(facts(high=9), group_offset=9))
    slot.facts(facts(high=9), with_group=False)
    assert not slot.retention.due(None, time.monotonic()), "by the group's offset nothing is unread"
    slot.facts(replace(facts(high=9), group_offset=5))
    slot.facts(facts(high=9), with_group=False)
    assert slot.retention.due(None, time.monotonic())


def test_what_is_held_is_told_until_it_has_landed_or_its_worker_is_gone() -> None:
    slot = slot_with(EndedChild(killed="x"))
    for ended in (False, True):
        slot.holds(250, 48.0)
        assert slot.state.held == 250
        closes_at = datetime.fromisoformat(slot.state.closes_at or "")
        assert 46 < (closes_at - datetime.now(UTC)).total_seconds() <= 48
        if ended:
            slot.bury(bounded=False)
        else:
            slot.progress(Progress("reading", 9, 0, landed=3, committed_at="t"))
        assert (slot.state.held, slot.state.closes_at) == (0, None)
