"""Where cells happen: folders with a broken disk, and prefixes of a bucket behind a proxy that breaks requests."""

import itertools
import threading
from dataclasses import replace
from math import inf
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from types import TracebackType
from typing import Self

from storage.cells import DISK_FAULTS, REQUEST_FAULTS, SECONDS, Cell
from storage.life import Root, prepare
from storage.lives import Outcome, outcome_of
from support.fault_proxy import FaultProxy
from support.faults.rules import Rule
from support.gcs.server import GcsServer

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

    @property
    def late(self) -> bool:
        """A disk does it now or never."""
        return False


class RequestTrouble:
    """A rule of the proxy."""

    def __init__(self, proxy: FaultProxy, rule: Rule) -> None:
        self._proxy, self._rule = proxy, rule
        proxy.add(rule)

    def wait(self, process: ForkServerProcess) -> None:
        """Until a request was met."""
        while not self._rule.hit.wait(0.02) and process.is_alive():
            pass

    def mend(self) -> None:
        """No request is met any more; what is to be done late is done before anybody judges."""
        self._proxy.clear()
        self._proxy.release(self._rule)
        if self._rule.do == "late" and self._rule.hits:
            self._rule.delivered.wait(10)

    @property
    def met(self) -> bool:
        """Whether a request was met."""
        return self._rule.hits > 0

    @property
    def late(self) -> bool:
        """Whether a request was done that nobody waited for any more."""
        return self._rule.do == "late" and self.met


class Worlds:
    """Makes one for each cell; used by several threads."""

    def __init__(self, folder: Path, context: ForkServerContext) -> None:
        self._folder = folder
        self._context = context
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._server = GcsServer()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.stop()

    def outcome(self, cell: Cell) -> Outcome:
        """How it goes."""
        with self._lock:
            number = next(self._numbers)
        if cell.backend == "file":
            return self._on_disk(cell, self._folder / str(number))
        return self._in_bucket(cell, f"cell-{number}")

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

    def _in_bucket(self, cell: Cell, prefix: str) -> Outcome:
        url = f"gs://streamlake/{prefix}"
        direct = Root(url, {**GCS, "endpoint": self._server.endpoint})
        if not cell.step.first:
            prepare(direct)
        (fault,) = [fault for name, fault in REQUEST_FAULTS if name == cell.fault]
        seconds = SECONDS[cell.duration]
        settings = {**fault, "method": cell.step.method, "path": cell.step.target(prefix)}
        if fault["do"] == "refuse":
            settings |= {"times": 1, "delay_seconds": seconds or 0.5}
        else:
            settings |= {"times": 1 if cell.duration == "once" else inf, "seconds": seconds or inf}
        with FaultProxy(self._server.endpoint) as proxy:
            trouble = RequestTrouble(proxy, Rule(**settings))
            patience = {"retry_seconds_max": RETRY_SECONDS_MAX[cell.duration]}
            return outcome_of(
                self._context,
                Root(url, {**GCS, **patience, "endpoint": proxy.endpoint}),
                direct,
                trouble,
                kill=cell.killed,
                for_ever=cell.duration == "for ever",
            )
