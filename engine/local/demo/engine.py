"""An engine that runs beside a story, and may be killed and started again."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from streamlake.engine.local.demo.commands import Commands, Event


class Engine:
    """`streamlake run` as a process of its own. `heard` gets each line of its log, in a thread.

    On any way out of the block it is ended.
    """

    def __init__(self, commands: Commands, arguments: Sequence[str], heard: Callable[[Event], None]) -> None:
        self._commands, self._arguments, self._heard = commands, arguments, heard
        self._process = ExitStack()
        self._thread = threading.Thread()
        self._code = 0
        self.pid = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.close()
        self._thread.join()

    def start(self) -> None:
        """Start it, for the first time or again."""
        events = self._process.enter_context(self._commands.following(*self._arguments))
        self.pid = next(events)["pid"]

        def listen() -> None:
            for event in events:
                if event["event"] == "exit":
                    self._code = event["code"]
                else:
                    self._heard(event)

        self._thread = threading.Thread(target=listen, name="engine's log", daemon=True)
        self._thread.start()

    def end(self, number: signal.Signals) -> int:
        """Send it a signal that ends it; its exit code, once it is gone and its last word was heard."""
        os.kill(self.pid, number)
        self._thread.join()
        self._process.close()
        return self._code


def is_gone(pid: int) -> bool:
    """Whether a process has ended, also where nobody has asked for its exit code yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
