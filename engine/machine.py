"""What this machine has: its memory, and the part of it that a container leaves to this process."""

import os
from collections.abc import Iterator
from pathlib import Path

UNLIMITED = 1 << 60
"""cgroup v1 writes a number of this size for no limit."""


def memory_bytes(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> tuple[int, str]:
    """Bytes of memory that this process may use, and whose limit that is: the machine's, or its cgroup's."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [limit for limit in _cgroup_limits(proc, cgroups) if limit < UNLIMITED]
    least = min(limits, default=whole)
    return (least, "the cgroup's limit") if least < whole else (whole, "the machine's memory")


def _cgroup_limits(proc: Path, cgroups: Path) -> Iterator[int]:
    """The limits of the process's cgroup and of those above it: version 2 has one tree, 1 a tree for memory."""
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in {"", "memory"}:
            continue
        top, name = (cgroups, "memory.max") if not controllers else (cgroups / "memory", "memory.limit_in_bytes")
        folder = top / path.lstrip("/")
        for one in (folder, *folder.parents):
            if one.is_relative_to(top):
                yield from _limit(one / name)


def _limit(file: Path) -> Iterator[int]:
    try:
        yield int(file.read_text())
    except (OSError, ValueError):  # not there, or the word max
        return
