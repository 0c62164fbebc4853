"""One worker as its supervisor holds it: a forkserver process, or a thread for a root that lives in memory."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from streamlake.engine.codes.base import Code
from streamlake.engine.codes.processes import KILLED, WORKER_ENDED
from streamlake.engine.errors import Exit
from streamlake.engine.messages import Drain, Ended, FromWorker, ToWorker
from streamlake.engine.nameless import nameless_main
from streamlake.engine.records import TopicPartition

PRELOAD_FIRST = "streamlake.engine.preload"
PRELOAD_LAST = "streamlake.engine.preloaded"
UNSAID = "the worker ended with exit code 0 and did not say that it was done: a plugin ended it"
WorkerMain = Callable[[Connection, object], None]
"""Runs a worker to its end: its pipe, and the job (pickled)."""


class Child:
    """Start, talk to, kill and bury one worker. `sentinel` becomes readable when it is gone."""

    def __init__(self, source: TopicPartition, main: WorkerMain, job: object, *, thread: bool) -> None:
        self.source = source
        self.ended: Ended | None = None
        self.draining_since: float | None = None
        self.killed_for: tuple[str, str] | None = None  # and the code of that
        self.share: float | None = None  # of the run's rate, as it was told
        self.heard_at = time.monotonic()
        context = multiprocessing.get_context("forkserver")
        self.pipe, theirs = context.Pipe()
        self._process: multiprocessing.process.BaseProcess | ThreadProcess
        if thread:
            self._process = ThreadProcess(main, theirs, job)
        else:
            self._process = context.Process(target=main, args=(theirs, job), name=str(source))
        with nameless_main():
            self._process.start()
        if not thread:
            theirs.close()
        self.sentinel = self._process.sentinel
        self.pid = self._process.pid

    def receive(self) -> list[FromWorker]:
        """Everything the worker has said since the last call; never blocks."""
        messages: list[FromWorker] = []
        try:
            while self.pipe.poll(0):
                messages.append(self.pipe.recv())
        except (EOFError, ConnectionResetError):
            pass  # it is gone: the sentinel says so, too
        if messages:
            self.heard_at = time.monotonic()
        for message in messages:
            if isinstance(message, Ended):
                self.ended = message
        return messages

    def send(self, message: ToWorker) -> None:
        """Answer or order; a worker that has just died doesn't hear it."""
        try:
            self.pipe.send(message)
        except (BrokenPipeError, ConnectionResetError):
            return

    def drain(self, now: float) -> None:
        """Ask it to land what it has in hand and leave."""
        if self.draining_since is None:
            self.draining_since = now
            self.send(Drain())

    def kill(self, why: str, code: Code = WORKER_ENDED) -> None:
        """End it now, at any instruction: always safe (SIGKILL works on a stopped process, too)."""
        self.killed_for = self.killed_for or (why, code.number)
        self._process.kill()

    def bury(self) -> tuple[Exit | None, str, str]:
        """After its sentinel fired: its exit code (None: a signal, or none of ours), why, and the code of that."""
        self.receive()
        self._process.join()
        code = self._process.exitcode
        self.pipe.close()
        if self.ended is not None and code == self.ended.exit_code:
            return self.ended.exit_code, self.ended.why, self.ended.code  # also when a kill came after its end
        if self.killed_for:
            return None, *self.killed_for
        if code == 0:
            return None, UNSAID, KILLED.number
        said = f"the worker was killed by {_signal_name(-code)}" if code and code < 0 else f"exit code {code}"
        return None, said, KILLED.number


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class ThreadProcess:
    """A thread with the few calls of a process that Child uses; it can't be killed, so killing asks it to drain."""

    def __init__(self, main: WorkerMain, pipe: Connection, job: object) -> None:
        self.pid: int | None = os.getpid()
        self.exitcode: int | None = None
        self._pipe, self._main, self._job = pipe, main, job
        self.sentinel, self._gone = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to run."""
        self._thread.start()

    def _run(self) -> None:
        try:
            self._main(self._pipe, self._job)
            self.exitcode = Exit.DONE
        except SystemExit as error:
            self.exitcode = error.code if isinstance(error.code, int) else Exit.CRASHED
        finally:
            self._pipe.close()
            os.close(self._gone)

    def kill(self) -> None:
        """Cut its pipe: the worker ends as an orphan at its next heartbeat."""
        self._pipe.close()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()
        os.close(self.sentinel)
