"""The worker's end of the pipe to its supervisor: heartbeat, questions, orders."""

import contextlib
import select
import time
from multiprocessing.connection import Connection
from typing import Protocol

from streamlake.engine.contracts import TopicFacts
from streamlake.engine.errors import OrphanedError
from streamlake.engine.messages import (
    Alive,
    AskFacts,
    AskTopicId,
    Drain,
    Ended,
    Facts,
    FromWorker,
    Held,
    Progress,
    Share,
    StorageWait,
    TopicId,
    ToWorker,
)

BEAT_SECONDS_MAX = 10.0
"""Each beat wakes the supervisor; of 64 workers that is a few percent of a core when it is each second."""
BEATS_BEFORE_STUCK = 5


class Supervision(Protocol):
    """What a worker asks and tells whoever runs it; `Link` is the one between processes."""

    draining: bool
    """Land what is in hand, close the ledger, leave."""

    def beat(self) -> None:
        """Say that the loop is alive, and take orders in."""

    def progress(self, progress: Progress) -> None:
        """Report where we are."""

    def holds(self, rows: int, seconds_left: float) -> None:
        """Report what is read and not landed yet, and how long its batch stays open at most."""

    def waits(self, reason: str | None) -> None:
        """Report that the storage is waited for, or with None that it answers again."""

    def facts(self) -> TopicFacts:
        """What the broker says of this partition now."""

    def topic_id(self, since: float) -> str | None:
        """The topic's id by an answer younger than `since` (monotonic seconds); None: there is no such topic."""


class Link:
    """Used by the worker's main loop only, so that a stuck loop is a silent one."""

    def __init__(self, pipe: Connection, stuck_seconds: float) -> None:
        """`stuck_seconds` is how long the supervisor bears silence."""
        self._beat_seconds = min(BEAT_SECONDS_MAX, stuck_seconds / BEATS_BEFORE_STUCK)
        self.draining = False
        self.share = 0.0
        """Records a second that this worker may read, where its run has a rate; 0 until it was told."""
        self._pipe = pipe
        self._beat_at = 0.0
        # Connection.poll makes a selector each time, which is most of what a worker does while nothing comes.
        self._heard = select.poll()
        self._heard.register(pipe.fileno(), select.POLLIN)

    def beat(self) -> None:
        """Say that the loop is alive (a few times within `stuck_seconds`) and take orders in; never blocks."""
        now = time.monotonic()
        if now - self._beat_at >= self._beat_seconds:
            self._beat_at = now
            self._send(Alive())
        while self._heard.poll(0):
            self._take(self._receive())

    def progress(self, progress: Progress) -> None:
        """Report where we are."""
        self._send(progress)

    def holds(self, rows: int, seconds_left: float) -> None:
        """Report what is read and not landed yet, and how long its batch stays open at most."""
        self._send(Held(rows, seconds_left))

    def waits(self, reason: str | None) -> None:
        """Report that the storage is waited for, or with None that it answers again."""
        self._send(StorageWait(reason))

    def ended(self, ended: Ended) -> None:
        """Say why this worker ends; nobody may be there to hear it."""
        with contextlib.suppress(OrphanedError):
            self._send(ended)

    def facts(self) -> TopicFacts:
        """What the broker says of this partition now; waits as long as the broker is away."""
        answer = self._ask(AskFacts())
        assert isinstance(answer, Facts)
        return answer.facts

    def topic_id(self, since: float) -> str | None:
        """The topic's id by an answer younger than `since` (monotonic seconds); waits while the broker is away."""
        answer = self._ask(AskTopicId(since))
        assert isinstance(answer, TopicId)
        return answer.topic_id

    def _ask(self, question: FromWorker) -> Facts | TopicId:
        self._send(question)
        while True:
            if self._poll(self._beat_seconds):
                message = self._receive()
                if isinstance(message, Facts | TopicId):
                    return message
                self._take(message)
            self.beat_only()

    def beat_only(self) -> None:
        """Say that the loop is alive without reading: an answer that is waited for must not be taken as an order."""
        self._beat_at = time.monotonic()
        self._send(Alive())

    def _take(self, message: ToWorker) -> None:
        if isinstance(message, Share):
            self.share = message.records_per_second
            return
        assert isinstance(message, Drain), f"an answer nobody asked for: {message}"
        self.draining = True

    def _poll(self, seconds: float) -> bool:
        try:
            return self._pipe.poll(seconds)
        except OSError as error:  # broken, reset, or closed under us where the worker is a thread
            raise self._orphaned() from error

    def _receive(self) -> ToWorker:
        try:
            message: ToWorker = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._orphaned() from error
        return message

    def _send(self, message: FromWorker) -> None:
        try:
            self._pipe.send(message)
        except OSError as error:
            raise self._orphaned() from error

    @staticmethod
    def _orphaned() -> OrphanedError:
        return OrphanedError("the supervisor is gone; a worker does not outlive it")
