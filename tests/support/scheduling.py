"""Which tests share a process of pytest-xdist: those of Airflow, for each Airflow takes 1.5 GiB and a minute."""

from collections.abc import Sequence
from contextlib import suppress

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

AHEAD = 2
"""So many tests a process knows of at least: it begins one when it has been told of the next, or that there is none."""


class OneAirflow(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Each test goes to whoever is free, those of Airflow one after the other to the same process.

    Marks would do it, but the `xdist_group` of pytest-xdist 3.8 has no effect with pytest 9.2.

    Where a process ends in the middle of a test, pytest-xdist 3.8 waits for ever: it gives what the process had done to
    the others once more, which then have nothing to do and ask for nothing, and it tells the process that stands in for
    it of one test only (its issues 1378 and 1327). So these two steps are made here, and what they meet is minded:
    one that has ended and is not known to have, one that ends while others collect, one that finds other tests.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "airflow" if "airflow" in nodeid else nodeid

    def remove_node(self, node: WorkerController) -> str | None:
        """The process is gone: others do what it had left. Returns the test in which it ended; that one has failed."""
        units = self.assigned_work.pop(node)
        if self.collection is None:  # nothing is given out yet, and not before all that live have collected
            self.registered_collections.pop(node, None)
        left = [(unit, test) for unit, tests in units.items() for test, done in tests.items() if not done]
        if not left:
            return None
        (ended_in, crashed), *others = left
        units[ended_in][crashed] = True
        self.workqueue.update({unit: units[unit] for unit, _ in others})
        for each in self.assigned_work:
            self._reschedule(each)
        return str(crashed)

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """The tests that a process has found. One that stands in for another, and finds others, is of no use."""
        super().add_node_collection(node, collection)
        if node not in self.registered_collections:
            why = f"{node.gateway.id} has found other tests than the process before it"
            self.config.hook.pytest_collectreport(report=pytest.CollectReport(node.gateway.id, "failed", why, []))
            node.shutdown()

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Give it the next tests; where it has ended, `remove_node` comes and has them back."""
        with suppress(OSError):
            super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        """Keep a process in work, or end it when there is none."""
        if node.shutting_down or node not in self.registered_collections:
            return
        while self.workqueue and self._pending_of(self.assigned_work[node]) <= AHEAD:
            self._assign_work_unit(node)
        if not self.workqueue:
            node.shutdown()


def make_scheduler(config: pytest.Config, log: Producer) -> OneAirflow | None:
    """For `pytest_xdist_make_scheduler`; None leaves it to the option --dist."""
    return OneAirflow(config, log) if config.getoption("dist") == "load" else None
