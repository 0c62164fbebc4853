"""How much memory a process has for itself, as Linux says it."""

from pathlib import Path


def memory_bytes(pid: int) -> int | None:
    """The process's proportional share (PSS): pages that workers share are divided among them; None where it is gone.

    Where the kernel has no `smaps_rollup`, all that is resident (RSS). Takes a millisecond for 100 MiB.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except FileNotFoundError:
        return _resident_bytes(pid)
    except OSError:  # it has just ended, or is another user's
        return None
    return next((int(line.split()[1]) * 1024 for line in lines.splitlines() if line.startswith("Pss:")), None)


def _resident_bytes(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines.splitlines() if line.startswith("VmRSS:")), None)
