"""Validators that fail on single records, for the tests of isolation; imported by disposable children."""

import os
import signal
import threading
from pathlib import Path

from streamlake.engine.errors import ConfigError
from streamlake.engine.records import Batch, Verdict


class Poisoned:
    """Fails in the way that the record asks for."""

    payload = "bytes"
    fingerprint = "poisoned"

    def validate(self, batch: Batch) -> Verdict:
        for value in batch.values:
            match value:
                case b"raise":
                    raise RuntimeError("no such currency table")
                case b"exit":
                    os._exit(3)
                case b"segv":
                    os.kill(os.getpid(), signal.SIGSEGV)
                case b"hang":
                    threading.Event().wait()
                case b"memory":
                    bytearray(1 << 40)
                case b"system exit":
                    raise SystemExit(0)
        return Verdict(skipped=[index for index, value in enumerate(batch.values) if value == b"skip"])


def make() -> Poisoned:
    return Poisoned()


def make_and_raise() -> Poisoned:
    raise ImportError("no module named currencies")


def make_and_be_killed() -> Poisoned:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def refuse_options() -> Poisoned:
    raise ConfigError("validator.a: no", "validator.b: no")


def end_the_process() -> Poisoned:
    os._exit(3)


def never_end() -> Poisoned:
    threading.Event().wait()
    raise AssertionError("it ended")


class KilledOnce:
    """Makes a validator whose first process is killed at its first batch."""

    payload = "bytes"
    fingerprint = "killed once"

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __call__(self) -> "KilledOnce":
        return self

    def validate(self, _: Batch) -> Verdict:
        if not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Verdict()
