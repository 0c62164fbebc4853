"""What this process and its children write to standard error, line by line: so that a table below it stays whole.

Workers are processes of their own and write to the terminal by themselves. While this is open they write into a pipe,
as does everything else of this process, librdkafka, too; somebody prints what comes out of it.
"""

import os
import threading
from collections.abc import Callable

STDERR = 2


class CapturedStderr:
    """Stands in for file descriptor 2; `terminal` is where that led.

    Opened before the workers' forkserver is, which inherits it. `listen` makes the thread that reads: later, since a
    process with threads should not fork. Until then the pipe holds 64 KiB.
    """

    def __init__(self) -> None:
        self.terminal = os.dup(STDERR)
        os.set_inheritable(self.terminal, False)
        self._readable, writable = os.pipe()
        os.dup2(writable, STDERR)
        os.close(writable)
        self._thread: threading.Thread | None = None

    def listen(self, take: Callable[[str], None]) -> None:
        """Hand over each line, without its end, from a thread of its own; called again it changes nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, args=(take,), daemon=True, name="standard error")
            self._thread.start()

    def close(self) -> None:
        """Lead descriptor 2 back to the terminal; what was written before is handed over or printed first."""
        os.dup2(self.terminal, STDERR)
        if self._thread is not None:
            self._thread.join(LAST_WORDS_SECONDS)  # a child that outlives us keeps the pipe open
        else:
            os.set_blocking(self._readable, False)
            self._print_rest()

    def _read(self, take: Callable[[str], None]) -> None:
        with open(self._readable, encoding="utf-8", errors="replace", closefd=False) as lines:
            for line in lines:
                take(line.removesuffix("\n"))

    def _print_rest(self) -> None:
        try:
            while piece := os.read(self._readable, 65536):
                os.write(self.terminal, piece)
        except BlockingIOError:
            return


LAST_WORDS_SECONDS = 1.0
