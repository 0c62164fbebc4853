"""Says once for all partitions of a host that the disk is full, and once that there is room again."""

import time
from collections.abc import Iterable

import structlog

from streamlake.engine.state import PartitionState

log = structlog.get_logger("streamlake.supervisor")

DISK_FULL = "disk full"
"""The reason for which a worker waits for the storage then; behind a colon it says where, and how much is free."""


class FullDisk:
    """Told of each wait for the storage, of whatever kind, and of each end of one."""

    def __init__(self) -> None:
        self._since: float | None = None

    def take(self, reason: str | None, partitions: Iterable[PartitionState]) -> None:
        """`reason` as a worker gave it (None: it waits no more), and how all partitions are after that."""
        partitions = list(partitions)
        kind, _, where = (reason or "").partition(": ")
        if kind == DISK_FULL:
            if self._since is None:
                self._since = time.monotonic()
                waiting = [str(one.source) for one in partitions if one.storage_since is not None]
                log.warning("the disk is full, waiting", partitions=waiting, why=where)
        elif self._since is not None and all(one.storage_since is None for one in partitions):
            seconds, self._since = time.monotonic() - self._since, None
            log.info("there is room on the disk again", seconds=round(seconds, 1))
