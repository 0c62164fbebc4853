"""The cells of the table: each step with each fault, for each time, with and without a kill; and which can't be."""

import errno
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from storage.disk_faults import DiskRule
from storage.steps import STEPS, Step

Duration = Literal["once", "5 s", "for ever"]
DURATIONS: tuple[Duration, ...] = ("once", "5 s", "for ever")
SECONDS = {"once": 0.0, "5 s": 5.0, "for ever": float("inf")}

Backend = Literal["gs", "file"]


REQUEST_FAULTS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("503", {"do": "status", "status": 503}),
    ("429", {"do": "status", "status": 429, "headers": {"Retry-After": "1"}}),
    ("500, and it was done", {"do": "status", "status": 500, "after": True}),
    ("401", {"do": "status", "status": 401}),
    ("403", {"do": "status", "status": 403}),
    ("the request is lost", {"do": "lose_request"}),
    ("the reply is lost", {"do": "lose_reply"}),
    ("the reply is cut", {"do": "cut_reply", "at_bytes": 30}),
    ("the connection is reset", {"do": "lose_request", "reset": True}),
    ("refused connections", {"do": "refuse"}),
    ("the body is torn", {"do": "tear_request", "at_bytes": 5, "pass_on": True}),
    ("no reply, and it was not done", {"do": "hang"}),
    ("no reply, and it was done", {"do": "hang", "after": True}),
    ("the reply drips", {"do": "drip", "at_bytes": 10, "delay_seconds": 0.2}),
    ("it is done after its sender gave up", {"do": "late", "hold": True, "delay_seconds": 2}),
    ("a wrong checksum", {"do": "wrong_checksum"}),
)
"""Each with the proxy's words for it (`support/faults/rules.py`)."""

DISK_FAULTS = (
    ("EIO", DiskRule("", "", errno.EIO)),
    ("EIO, and it was done", DiskRule("", "", errno.EIO, after=True)),
    ("ENOSPC", DiskRule("", "", errno.ENOSPC)),
    ("EROFS", DiskRule("", "", errno.EROFS)),
    ("EACCES", DiskRule("", "", errno.EACCES)),
    ("it stands still for a second", DiskRule("", "", stands_still=1.0)),
)


@dataclass(frozen=True)
class Cell:
    """One place of the table."""

    backend: Backend
    step: Step
    fault: str
    duration: Duration
    killed: bool

    @property
    def cannot(self) -> str:
        """Why there is no such thing; empty where there is."""
        if self.backend == "file":
            return "" if self.step.call else "a disk has no such call"
        if not self.step.method:
            return self.step.without
        if self.fault == "the body is torn" and self.step.method != "PUT":
            return "the request has no body that could be torn and still be one"
        if self.fault == "a wrong checksum" and not self._has_checksum:
            return "the reply has no checksum"
        return ""

    @property
    def _has_checksum(self) -> bool:
        step = self.step
        return step.method == "PUT" or "moveTo" in step.object or (step.method == "GET" and "prefix" not in step.object)

    @property
    def words(self) -> str:
        """The cell in a line."""
        killed = ", killed in the middle" if self.killed else ""
        return f"{self.backend}: {self.step.name}: {self.fault}, {self.duration}{killed}"


def cells() -> Iterator[Cell]:
    """All of them."""
    for fault, step, duration, killed in itertools.product(REQUEST_FAULTS, STEPS, DURATIONS, (False, True)):
        yield Cell("gs", step, fault[0], duration, killed)
    for (name, _), step, duration, killed in itertools.product(DISK_FAULTS, STEPS, DURATIONS, (False, True)):
        yield Cell("file", step, name, duration, killed)
