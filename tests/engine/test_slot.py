"""What becomes of a partition when its worker ends: restarted, parked, or held back until we are counted in."""

import time
from dataclasses import dataclass

import pytest
from support.batches import ORDERS

from streamlake.engine.backoff import RestartLimits
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

    def bury(self) -> tuple[Exit | None, str]:
        if self.ended is None:
            return (None, self.killed) if self.killed else (Exit.DONE, "")
        return self.ended.exit_code, self.ended.why

    def drain(self, now: float) -> None:
        self.draining_since = now


LIMITS = RestartLimits(restarts_max=2, window_seconds=60)


def slot_with(child: EndedChild) -> Slot:
    slot = Slot(ORDERS, LIMITS)
    slot.start(child)  # type: ignore[arg-type]
    return slot


def died(code: Exit, *, parks: bool = False) -> EndedChild:
    return EndedChild(Ended(code, "because", parks))


def test_a_killed_worker_is_started_again_after_a_wait() -> None:
    slot = slot_with(EndedChild(killed="the worker was killed by SIGKILL"))
    slot.bury(bounded=False)
    assert (slot.state.phase, slot.state.why) == ("backing off", "the worker was killed by SIGKILL")
    assert time.monotonic() < slot.due_at < NEVER
    assert slot.state.restarts == {"killed": 1}


def test_one_that_dies_too_often_is_parked_with_the_last_cause() -> None:
    slot = slot_with(died(Exit.STORAGE))
    for _ in range(3):
        slot.start(died(Exit.STORAGE))  # type: ignore[arg-type]
        slot.bury(bounded=False)
    assert slot.state.phase == "parked"
    assert "too often" in slot.state.why
    assert "because" in slot.state.why
    assert slot.settled
    assert slot.failed


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


def test_a_worker_that_could_not_be_started_counts_as_a_death_and_is_tried_again() -> None:
    slot = Slot(ORDERS, LIMITS)
    slot.not_started("the worker could not be started (EOFError: )")
    assert (slot.child, slot.state.phase) == (None, "backing off")
    assert time.monotonic() < slot.due_at < NEVER
    for _ in range(2):
        slot.not_started("the worker could not be started (EOFError: )")
    assert slot.state.phase == "parked"
