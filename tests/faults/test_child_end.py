"""One worker process in its supervisor's hands: what is said of its end."""

import os
from multiprocessing.connection import Connection, wait

from support.batches import ORDERS

from streamlake.engine.child import Child
from streamlake.engine.codes.processes import STUCK
from streamlake.engine.errors import Exit
from streamlake.engine.messages import Ended


def ends_fenced(pipe: Connection, job: object) -> None:
    pipe.send(Ended(Exit.FENCED, "another writer has taken ledger entry 7", parks=False, code="SL0507"))
    os._exit(Exit.FENCED)


def waits(pipe: Connection, job: object) -> None:
    wait([pipe])


def test_a_kill_that_comes_after_a_workers_own_end_does_not_hide_why_it_ended() -> None:
    child = Child(ORDERS, ends_fenced, None, thread=False)
    wait([child.sentinel], timeout=60)
    child.kill("the group gave the partition away")
    assert child.bury() == (Exit.FENCED, "another writer has taken ledger entry 7", "SL0507")


def test_a_killed_worker_ended_for_what_it_was_killed_for() -> None:
    child = Child(ORDERS, waits, None, thread=False)
    child.kill("no sign of life for 300 s", STUCK)
    wait([child.sentinel], timeout=60)
    assert child.bury() == (None, "no sign of life for 300 s", "SL0704")
