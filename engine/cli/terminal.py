"""Keys as they are pressed, and a terminal that is given back as it was, whatever ends the program."""

import contextlib
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator

SEQUENCES = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1b[C": "right",
    b"\x1b[D": "left",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1bOA": "up",
    b"\x1bOB": "down",
    b"\x1bOC": "right",
    b"\x1bOD": "left",
    b"\r": "enter",
    b"\n": "enter",
    b"\x7f": "backspace",
    b"\x08": "backspace",
    b"\x1b": "escape",
}
"""What terminals send for the keys that are no characters; the second form of the arrows is tmux's."""

ESCAPE_SECONDS = 0.05
"""How long the rest of a sequence may take to come: longer, and it was the escape key."""


class Keys:
    """The keys of standard input. `wake` may be called by another thread, and by a signal: `wait` returns then."""

    def __init__(self) -> None:
        self._readable, self._writable = os.pipe()
        os.set_blocking(self._readable, False)
        os.set_blocking(self._writable, False)
        self._input = sys.stdin.fileno()
        self._rest = b""
        self.ended = False
        """Standard input is closed: the terminal is gone."""

    @property
    def wakes(self) -> int:
        """The descriptor that makes `wait` return when anything is written to it; it never blocks."""
        return self._writable

    def wake(self) -> None:
        """Have `wait` return."""
        with contextlib.suppress(BlockingIOError):  # full: it will return anyway
            os.write(self._writable, b".")

    def wait(self, seconds: float) -> list[str]:
        """The keys that come within that time: characters, and names of SEQUENCES; none where it was woken."""
        ready, _, _ = select.select([self._input, self._readable], [], [], seconds)
        if self._readable in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._readable, 4096)
        if self._input not in ready:
            return []
        said = os.read(self._input, 1024)
        self.ended = not said
        until = time.monotonic() + ESCAPE_SECONDS
        while said.endswith((b"\x1b", b"\x1b[", b"\x1bO")) and (left := until - time.monotonic()) > 0:
            if select.select([self._input], [], [], left)[0]:
                said += os.read(self._input, 1024)
        return list(keys_in(said))


def keys_in(said: bytes) -> Iterator[str]:
    """The keys that a terminal has sent; a sequence that nobody knows is passed over."""
    while said:
        found = max((known for known in SEQUENCES if said.startswith(known)), key=len, default=b"")
        if found and (found != b"\x1b" or len(said) == 1 or said[1:2] not in b"[O"):
            yield SEQUENCES[found]
            said = said[len(found) :]
        elif said.startswith(b"\x1b"):
            end = next((at for at in range(2, len(said)) if 0x40 <= said[at] <= 0x7E), len(said) - 1)
            said = said[end + 1 :]
        else:
            length = next((n for n in range(1, 5) if _decodes(said[:n])), 1)
            character = said[:length].decode(errors="ignore")
            if character and character.isprintable():
                yield character
            said = said[length:]


def _decodes(part: bytes) -> bool:
    try:
        part.decode()
    except UnicodeDecodeError:
        return False
    return True


@contextlib.contextmanager
def keys_of_the_terminal() -> Iterator[Keys]:
    """Have keys come at once and unseen, and a changed size wake whoever waits; afterwards all is as it was.

    SIGTERM and SIGHUP end the program by way of this: they become a SystemExit.
    """
    keys = Keys()
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    handlers = {
        signal.SIGWINCH: lambda *_: None,  # it is heard by the descriptor below
        signal.SIGTERM: _leave,
        signal.SIGHUP: _leave,
    }
    old = {which: signal.signal(which, handler) for which, handler in handlers.items()}
    # A handler runs between two lines of Python: a signal on the very brink of a wait would be heard after it only.
    woken = signal.set_wakeup_fd(keys.wakes, warn_on_full_buffer=False)
    try:
        tty.setcbreak(number)
        # Ctrl-Z would leave a full screen behind.
        now = termios.tcgetattr(number)
        now[6][termios.VSUSP] = b"\x00"
        termios.tcsetattr(number, termios.TCSADRAIN, now)
        yield keys
    finally:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(number, termios.TCSADRAIN, before)
        signal.set_wakeup_fd(woken)
        for which, handler in old.items():
            signal.signal(which, handler)


def _leave(number: int, _: object) -> None:
    raise SystemExit(128 + number)
