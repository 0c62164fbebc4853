"""Reads a partition no faster than its share of what a run may read in a second, with a heartbeat while it waits."""

import time
from collections.abc import Callable, Iterator

from streamlake.engine.contracts import BatchLimits, Source
from streamlake.engine.records import Batch

WAIT_SECONDS_MIN = 0.001
WAIT_SECONDS_MAX = 0.5
"""How long one wait may take: between two of them the worker says that it is alive, and hears its new share."""


class RatedSource:
    """Implements `contracts.Source`: what `source` reads, each slice paid for in time before the next one is read.

    `share` tells how many records a second this worker may read by now; 0 until it was told. Time that nothing was
    read in is not saved up: over any time the records are at most `share` for each second, and one slice. A batch may
    take longer by it, and `BatchLimits.seconds_max` closes it all the same.
    """

    def __init__(
        self,
        source: Source,
        share: Callable[[], float],
        until: int | None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source, self._share, self._until = source, share, until
        self._clock, self._wait = clock, wait
        self._owed = 0.0  # records that were read ahead of their time
        self._at = clock()

    @property
    def in_hand(self) -> int:
        """See `contracts.Source`."""
        return self._source.in_hand

    def slices(self, limits: BatchLimits, go_on: Callable[[], bool]) -> Iterator[Batch]:
        """See `contracts.Source`."""
        if not self._pay(go_on):
            return
        for part in self._source.slices(limits, go_on):
            self._pass_time()
            self._owed += len(part)
            yield part
            if part.range.next != self._until and not self._pay(go_on):
                return

    def close(self) -> None:
        """Leave the broker."""
        self._source.close()

    def _pay(self, go_on: Callable[[], bool]) -> bool:
        """Wait until nothing is owed; False where the worker has to leave before."""
        self._pass_time()
        while self._owed > 0 or not self._share():
            if not go_on():
                return False
            share = self._share()
            seconds = self._owed / share if share else WAIT_SECONDS_MAX
            self._wait(max(WAIT_SECONDS_MIN, min(WAIT_SECONDS_MAX, seconds)))
            self._pass_time()
        return True

    def _pass_time(self) -> None:
        now = self._clock()
        self._owed = max(0.0, self._owed - self._share() * (now - self._at))
        self._at = now
