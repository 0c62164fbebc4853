"""Named points at which a test can make a process die: the fault tests kill at every one of them.

`STREAMLAKE_FAILPOINT=<name>[+<passes>][=<signal>]:<times>:<file>` sends a signal (KILL; STOP makes a zombie) to the
process that reaches `<name>` after it has passed there `<passes>` times (0), as long as `<file>` counts fewer than
`<times>` earlier ones (one byte each, so that the count survives). Several, with `;` between, come one after the other:
each is armed when the one before it has happened as often as it should. Unset, a point costs one comparison. Points
are listed in POINTS, so that the tests can't miss one and a misspelt name can't pass.
"""

import os
import re
import signal
from pathlib import Path

POINTS = (
    "before_claim",
    "after_claim",
    "after_roll_forward",
    "after_collect",
    "before_resend",
    "after_resend",
    "before_validate",
    "before_stage",
    "after_stage_write",
    "after_stage",
    "before_commit",
    "before_entry_link",
    "after_entry_link",
    "after_commit",
    "before_publish",
    "between_publish_files",
    "before_publish_unlink",
    "after_publish",
    "before_dead_letters",
    "after_dead_letters",
    "after_report",
    "before_close",
    "after_close",
)

_armed = os.environ.get("STREAMLAKE_FAILPOINT", "")
_passes = 0


def failpoint(name: str) -> None:
    """Die here (or freeze) if a test armed this point; otherwise nothing."""
    global _passes  # noqa: PLW0603  (counts what this process did)
    if not _armed:
        return
    assert name in POINTS, f"{name} is not in POINTS"
    for one in _armed.split(";"):
        armed = re.fullmatch(r"(\w+)(?:\+(\d+))?(?:=(\w+))?:(\d+):(.+)", one)
        assert armed is not None, f"STREAMLAKE_FAILPOINT: {one} is not <name>[+<passes>][=<signal>]:<times>:<file>"
        armed_name, passes, signal_name, times, file = armed.groups()
        count = Path(file)
        if count.exists() and count.stat().st_size >= int(times):
            continue
        if name == armed_name:
            _passes += 1
            if _passes > int(passes or 0):
                _note(count)
                os.kill(os.getpid(), signal.Signals[f"SIG{signal_name or 'KILL'}"])
        return


def _note(count: Path) -> None:
    """One byte more, durable before the process dies."""
    with count.open("ab") as out:
        out.write(b".")
        out.flush()
        os.fsync(out.fileno())
