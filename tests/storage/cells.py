"""The cells of the table: each step with each fault, for each time, with and without a kill; and which can't be."""

import errno
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from storage.disk_faults import DiskRule
from storage.steps import STEPS, Step

Duration = Literal["once", "5 s", "for ever"]
DURATIONS: tuple[Duration, ...] = ("once", "5 s", "for ever")
SECONDS = {"once": 0.0, "5 s": 5.0, "for ever": float("inf")}

Backend = Literal["gs", "file"]


@dataclass(frozen=True)
class Fault:
    """What happens to a request. `do` is the proxy's word for it, with its arguments."""

    name: str
    do: str
    status: int = 0
    after: bool = False


REQUEST_FAULTS = (
    Fault("503", "status", 503),
    Fault("429", "status", 429),
    Fault("500, and it was done", "status", 500, after=True),
    Fault("401", "status", 401),
    Fault("403", "status", 403),
    Fault("the request is lost", "drop_request"),
    Fault("the reply is lost", "drop_reply"),
    Fault("the reply is cut", "cut_reply"),
    Fault("the connection is reset", "reset"),
    Fault("refused connections", "refuse"),
    Fault("the body is torn", "tear_body"),
    Fault("no reply, and it was not done", "hang"),
    Fault("no reply, and it was done", "hang", after=True),
    Fault("the reply drips", "drip"),
    Fault("it is done after its sender gave up", "late"),
    Fault("a wrong checksum", "wrong_checksum"),
)

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
        yield Cell("gs", step, fault.name, duration, killed)
    for (name, _), step, duration, killed in itertools.product(DISK_FAULTS, STEPS, DURATIONS, (False, True)):
        yield Cell("file", step, name, duration, killed)
