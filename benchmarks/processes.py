"""Looks at running processes from outside: who the workers are, and how much memory is theirs."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process, in MiB (proc(5)).

    `peak` is the most that was ever resident (VmHWM), shared pages in full; `pss` counts a shared page by its share;
    `private` is what nobody else has.
    """

    peak: float
    pss: float
    private: float


@dataclass
class Tree:
    """The most memory of all processes below a pid together, over all the times it was looked at."""

    peak_mib: float = 0.0
    looked_at: float = 0.0

    def look(self, pid: int) -> None:
        """Look once a second at most: walking a process's pages holds it up."""
        if time.monotonic() - self.looked_at < 1.0:
            return
        self.looked_at = time.monotonic()
        try:
            below = psutil.Process(pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return
        memories = [memory_of(process.pid) for process in below]
        self.peak_mib = max(self.peak_mib, sum(memory.pss for memory in memories if memory is not None))


def workers_below(pid: int) -> Iterator[psutil.Process]:
    """The worker processes below `pid`: the forkserver's children (which have its name)."""
    try:
        below = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    parents = {process.pid: _parent_of(process) for process in below if _runs(process, "forkserver")}
    yield from (process for process in below if parents.get(process.pid) in parents)


def cpu_of(pid: int) -> float:
    """CPU seconds so far of a living process with all its threads: its own clock (clock_getcpuclockid(3)).

    psutil's figures come in ticks of 10 ms, which is more than a worker of a trickle uses in some seconds.
    """
    return time.clock_gettime((~pid << 3) | 2)


def memory_of(pid: int) -> Memory | None:
    """None when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return None
    peak, pss = _mib(status, "VmHWM"), _mib(rollup, "Pss")
    private = _mib(rollup, "Private_Clean") + _mib(rollup, "Private_Dirty")
    return Memory(peak, pss, private) if peak else None


def _mib(text: str, name: str) -> float:
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _parent_of(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return 0


def _runs(process: psutil.Process, what: str) -> bool:
    try:
        return what == process.name() or what in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False
