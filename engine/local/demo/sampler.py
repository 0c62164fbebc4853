"""Asks a running engine for its /status again and again, and keeps how far it is and how far behind."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.request import ProxyHandler, build_opener

from streamlake.engine.errors import LocalError
from streamlake.engine.local.demo.recording import Chapter, Recording, Sample

BETWEEN_SECONDS = 0.1
ANSWER_SECONDS_MAX = 2.0
Partitions = Mapping[int, Mapping[str, Any]]
"""By number: what /status says of one partition."""


class Sampler:
    """A thread that samples the engine whose `metrics.listen` is `listen`, into the chapter that is told.

    An engine that does not answer gives a sample of nothing, so that a plot has a gap there. Positions are by the
    ledger and outlive the engine; a partition that an engine does not know yet is where it was seen last.
    """

    def __init__(self, listen: str, recording: Recording) -> None:
        self._url = f"http://{listen}/status"
        self._recording, self._chapter = recording, recording.chapter
        self._changed = threading.Condition()
        self._partitions: Partitions = {}
        self._next: dict[int, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._take({})

    @property
    def chapter(self) -> Chapter:
        """Where the samples go."""
        return self._chapter

    @property
    def partitions(self) -> Partitions:
        """What was said last; empty while nobody answers."""
        return self._partitions

    @property
    def done(self) -> int:
        """How far the ledger is, the sum over the partitions, as far as it was seen."""
        with self._changed:
            return sum(self._next.values())

    def knows_all(self) -> bool:
        """Whether the engine has partitions, and has said of each how far it is."""
        partitions = self._partitions
        return bool(partitions) and all(one["next"] is not None for one in partitions.values())

    def wait_for(self, holds: Callable[[], bool], what: str, seconds_max: float) -> None:
        """Returns when `holds`, which is asked after each sample. Raises LocalError after `seconds_max`."""
        deadline = time.monotonic() + seconds_max
        while not holds():
            with self._changed:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise LocalError(f"{what}: not within {seconds_max:g} s; the demo stops here")

    def _go_on(self) -> None:
        opener = build_opener(ProxyHandler({}))
        while not self._ended.wait(BETWEEN_SECONDS):
            try:
                with opener.open(self._url, timeout=ANSWER_SECONDS_MAX) as answer:
                    said = json.load(answer)["partitions"]
            except (OSError, ValueError):
                said = []
            with self._changed:
                self._take({one["partition"]: one for one in said})
                self._changed.notify_all()

    def _take(self, partitions: Partitions) -> None:
        self._partitions = partitions
        for number, one in partitions.items():
            if one["next"] is not None:
                self._next[number] = max(one["next"], self._next.get(number, 0))
        known = partitions and self._next.keys() >= partitions.keys()
        lags = [one["lag"] for one in partitions.values()]
        lag = None if not partitions or None in lags else sum(lags)
        done = sum(self._next.values()) if known else None
        self._chapter.samples.append(Sample(self._recording.now, done, lag))
