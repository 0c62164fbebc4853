"""Named points at which a test can make a process die: the fault tests kill at every one of them.

`STREAMLAKE_FAILPOINT=<name>[+<passes>][=<signal>]:<times>:<file>` sends a signal (KILL; STOP makes a zombie) to the
process that reaches `<name>` after it has passed there `<passes>` times (0), as long as `<file>` counts fewer than
`<times>` earlier ones (one byte each, so that the count survives). Several, with `;` between, come one after the other:
each is armed when the one before it has happened as often as it should. Unset, a point costs one comparison. Points
are listed in POINTS and OPERATIONS, so that the tests can't miss one and a misspelt name can't pass.
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
"""On the way of a worker, from its claim to its close."""

RESET = ("before_gap", "after_gap", "before_group_offsets", "after_group_offsets")
"""On the way of `offsets reset`, beside those of a new live generation."""

REDRIVE = (
    "redrive_before_begin",
    "redrive_after_begin",
    "redrive_after_intent",
    "redrive_between_records",
    "redrive_after_sending",
    "redrive_after_done",
    "redrive_before_end",
    "redrive_after_end",
)
"""On the way of `dead redrive`."""

OPERATIONS = (
    "before_generation",
    "after_generation",
    "before_final_close",
    "after_final_close",
    "before_move",
    "after_move",
    "before_backfill",
    "after_backfill",
    "after_live_start",
    "before_keep",
    "after_keep",
    "before_fate",
    "after_fate",
    "before_forget",
    "before_forget_folder",
    *RESET,
    *REDRIVE,
    "before_positions",
    "after_positions",
    "after_complete",
)
"""On the way of what an operator asks for."""

_armed = os.environ.get("STREAMLAKE_FAILPOINT", "")
_passes = 0


def failpoint(name: str) -> None:
    """Die here (or freeze) if a test armed this point; otherwise nothing."""
    global _passes  # noqa: PLW0603  (counts what this process did)
    if not _armed:
        return
    assert name in POINTS or name in OPERATIONS, f"{name} is listed nowhere in failpoints.py"
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
