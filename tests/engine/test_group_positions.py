"""The group follows the ledger: what could not be committed at once is committed later, with what came since."""

from collections.abc import Mapping

import pytest

from streamlake.engine import supervisor as supervisor_module
from streamlake.engine.backoff import RestartLimits
from streamlake.engine.errors import ConfigError
from streamlake.engine.records import TopicPartition
from streamlake.engine.slot import Slot
from streamlake.engine.standing_orders import Orders
from streamlake.engine.supervisor import Supervisor

FIRST, SECOND, LOST = (TopicPartition("orders", number) for number in range(3))
Positions = dict[TopicPartition, tuple[int, int | None]]


class Group:
    """A seat in the group, as far as positions are committed there."""

    def __init__(self) -> None:
        self.busy = True
        self.asked: list[Positions] = []

    def commit(self, positions: Mapping[TopicPartition, tuple[int, int | None]], *, wait: bool) -> bool:
        """Take them, unless it is busy and nobody waits."""
        self.asked.append(dict(positions))
        return wait or not self.busy


def no_reload() -> Orders:
    raise ConfigError("not asked for")


def test_what_was_not_begun_is_committed_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "COMMIT_SECONDS", -1.0)
    limits = RestartLimits(restarts_max=1, window_seconds=60)
    orders = Orders(lambda _: None, limits, 2, 1, 1, None, lambda _: (0, True), lambda _: None)  # type: ignore[arg-type, return-value]  # nobody is started
    group = Group()
    supervisor = Supervisor(orders, group, None, no_reload)  # type: ignore[arg-type]  # nothing else is asked
    monkeypatch.setattr(supervisor, "_slots", {source: Slot(source, limits) for source in (FIRST, SECOND)})
    waiting: Positions = {FIRST: (5, None), LOST: (9, None)}
    monkeypatch.setattr(supervisor, "_uncommitted", waiting)
    supervisor._commit(wait=False)
    waiting |= {FIRST: (7, None), SECOND: (2, None)}
    supervisor._commit(wait=False)
    group.busy = False
    supervisor._commit(wait=False)
    supervisor._commit(wait=True)
    both: Positions = {FIRST: (7, None), SECOND: (2, None)}
    assert group.asked == [{FIRST: (5, None)}, both, both]
