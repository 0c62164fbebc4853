"""Where cells happen: folders with a broken disk, and prefixes of a bucket behind a proxy that breaks requests."""

import itertools
import threading
from dataclasses import replace
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from types import TracebackType
from typing import Self

from storage.cells import DISK_FAULTS, SECONDS, Cell
from storage.life import Root, prepare
from storage.lives import Outcome, outcome_of

GCS = {"credentials": "anonymous", "request_seconds_max": 1}
RETRY_SECONDS_MAX = {"once": 30, "5 s": 30, "for ever": 2}
"""For ever is shorter than a person would have it: there are many cells."""


class DiskTrouble:
    """A rule in a file; whoever is to be killed does it."""

    def __init__(self, rule: Path) -> None:
        self._rule = rule

    def wait(self, process: ForkServerProcess) -> None:
        """It ends by itself."""
        process.join()

    def mend(self) -> None:
        """There is no rule any more."""
        self._rule.rename(self._rule.with_suffix(".mended")) if self._rule.exists() else None

    @property
    def met(self) -> bool:
        """Whether a call was met."""
        return self._rule.with_suffix(".met").exists()


class Worlds:
    """Makes one for each cell; used by several threads."""

    def __init__(self, folder: Path, context: ForkServerContext) -> None:
        self._folder = folder
        self._context = context
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    def outcome(self, cell: Cell) -> Outcome:
        """How it goes."""
        with self._lock:
            number = next(self._numbers)
        return self._on_disk(cell, self._folder / str(number))

    def _on_disk(self, cell: Cell, folder: Path) -> Outcome:
        folder.mkdir()
        root = Root(f"file://{folder}/lake")
        if not cell.step.first:
            prepare(root)
        rule = folder / "disk.json"
        (fault,) = [rule for name, rule in DISK_FAULTS if name == cell.fault]
        assert cell.step.call is not None, "asked before"
        replace(
            fault, call=cell.step.call, path=cell.step.path, seconds=SECONDS[cell.duration], kills=cell.killed
        ).write(rule)
        return outcome_of(
            self._context,
            root,
            root,
            DiskTrouble(rule),
            disk=rule,
            kill=cell.killed,
            for_ever=cell.duration == "for ever",
        )
