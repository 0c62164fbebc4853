"""A rate holds: by the records counted against a clock of the test's own, for one worker and for all together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat

import pytest
from support.batches import ORDERS
from support.lake import numbered_batch

from streamlake.engine.backoff import RestartLimits
from streamlake.engine.contracts import BatchLimits
from streamlake.engine.desk import Desk
from streamlake.engine.errors import ConfigError
from streamlake.engine.messages import Share, ToWorker
from streamlake.engine.rated_source import RatedSource
from streamlake.engine.records import Batch, TopicPartition
from streamlake.engine.slot import Slot
from streamlake.engine.standing_orders import Orders
from streamlake.engine.supervisor import Supervisor

LIMITS = BatchLimits(1_000, 1_000_000, 60.0)


@dataclass
class Scripted:
    """A source that has as many records as are asked for, ten in a slice, `slices_a_batch` in a batch."""

    slices_a_batch: int = 5
    next: int = 0
    closed: bool = False
    in_hand: int = 7

    def slices(self, limits: BatchLimits, go_on: Callable[[], bool]) -> Iterator[Batch]:
        assert limits is LIMITS
        for _ in range(self.slices_a_batch):
            go_on()
            batch = numbered_batch(ORDERS, self.next, 10, range(10))
            self.next = batch.range.next
            yield batch

    def close(self) -> None:
        self.closed = True


@dataclass
class Rig:
    """A source with a clock that only its own waits move on."""

    share: float = 20.0
    until: int | None = None
    now: float = 100.0
    waits: list[float] = field(default_factory=list)
    inner: Scripted = field(default_factory=Scripted)
    beats: int = 0

    def __post_init__(self) -> None:
        self.rated = RatedSource(self.inner, lambda: self.share, self.until, lambda: self.now, self.wait)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def beat(self) -> bool:
        self.beats += 1
        return True

    def read(self, records: int) -> float:
        """Read at least so many; the seconds that took."""
        began, read = self.now, 0
        while read < records:
            for part in self.rated.slices(LIMITS, self.beat):
                read += len(part)
        return self.now - began


@pytest.mark.parametrize("records", [50, 200, 1_000])
def test_of_all_that_is_read_all_but_a_slice_was_paid_for(records: int) -> None:
    assert Rig(share=20.0).read(records) == pytest.approx(records / 20.0, abs=10 / 20.0)


def test_it_says_that_it_is_alive_twice_a_second_while_it_waits() -> None:
    rig = Rig(share=0.5)
    assert rig.read(50) == pytest.approx(50 / 0.5, abs=10 / 0.5)
    assert max(rig.waits) <= 0.5
    assert rig.beats >= len(rig.waits)


def test_a_new_share_counts_from_the_moment_that_it_is_told() -> None:
    rig = Rig(share=10.0)
    rig.read(50)
    rig.share = 50.0
    assert rig.read(500) == pytest.approx(500 / 50.0, abs=2.0)


def test_time_in_which_nothing_was_read_is_not_saved_up() -> None:
    rig = Rig(share=10.0)
    rig.read(50)
    rig.now += 3_600
    assert rig.read(100) >= 90 / 10.0


def test_nothing_is_read_before_it_was_told_its_share() -> None:
    rig = Rig(share=0.0)
    told = chain([False, False], repeat(True))

    def go_on() -> bool:
        rig.share = 10.0 if next(told) else 0.0
        return True

    first = next(iter(rig.rated.slices(LIMITS, go_on)))
    assert (len(first), rig.waits) == (10, [0.5, 0.5, 0.001])


def test_who_has_to_leave_does_not_wait() -> None:
    rig = Rig(share=0.001)
    assert len(list(rig.rated.slices(LIMITS, lambda: False))) == 1
    assert list(rig.rated.slices(LIMITS, lambda: False)) == []
    assert rig.waits == []
    rig.rated.close()
    assert rig.inner.closed


def test_behind_the_last_slice_nothing_is_waited_for() -> None:
    rig = Rig(share=1.0, until=50)
    assert rig.read(50) == pytest.approx(40.0, abs=0.1)


@dataclass
class Hearing:
    """A worker's process, as far as it is told something."""

    share: float | None = None
    told: list[float] = field(default_factory=list)

    def send(self, message: ToWorker) -> None:
        assert isinstance(message, Share)
        self.told.append(message.records_per_second)


def test_those_that_run_have_equal_shares_and_the_last_one_has_all(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = RestartLimits(restarts_max=1, window_seconds=60)
    workers = [Hearing(), Hearing()]
    slots = [Slot(TopicPartition("orders", number), limits) for number in range(3)]

    def no_reload() -> Orders:
        raise ConfigError("not asked for")

    desk: Desk = None  # type: ignore[assignment]  # nothing is asked
    orders = Orders(lambda _: None, limits, 2, 1, 1, None, lambda _: (0, True), lambda _: None, rate=300.0)  # type: ignore[arg-type, return-value]  # nobody is started
    supervisor = Supervisor(orders, None, desk, no_reload)  # type: ignore[arg-type]  # no group
    monkeypatch.setattr(supervisor, "_slots", {slot.source: slot for slot in slots})
    for slot, worker in zip(slots, workers, strict=False):
        slot.child = worker  # type: ignore[assignment]
    supervisor._share_rate()
    supervisor._share_rate()
    slots[0].child = None
    supervisor._share_rate()
    slots[2].child = Hearing()  # type: ignore[assignment]
    supervisor._share_rate()
    assert [worker.told for worker in workers] == [[150.0], [150.0, 300.0, 150.0]]
