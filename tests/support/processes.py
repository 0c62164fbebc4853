"""Commands that a test starts, and none of which outlives it or is waited for in vain."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

TERMINATED_SECONDS = 120.0


@contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """A command whose output is read as text. One that still runs at the end is killed: nobody waits for it."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def said_until(process: "subprocess.Popen[str]", last: str) -> list[str]:
    """The lines it says before this one; fails where it ends without."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        if line == last:
            return lines
        lines.append(line)
    raise AssertionError(f"it ended and never said {last!r}: {''.join(lines)}")


def end_within(process: "subprocess.Popen[Any]", seconds: float) -> None:
    """Wait for its end; behind the time it is terminated, which lets it end what it has begun, and at last killed."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(TERMINATED_SECONDS)
    finally:
        process.kill()
        process.wait()
