"""Cuts the power: all hosts die at once, and names in the ledger go whose folder nobody had synced.

The faulty disk keeps a journal, one line each: a link that is about to be made, a folder that was synced. So a name
that is in danger is never one that somebody could rely on. Only entries and segments are taken back: any subset of
what is in danger may be lost, and the others of it have readers, who would lose their power, too.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from random import Random

from torture.world import World

WAIT_SECONDS = 6.0


def cut_power(world: World, luck: Random) -> bool:
    """Wait until a name is in danger, cut the power then or a little later, and let some of the names go."""
    journal = journal_of(world.disk)
    segments = luck.random() < 0.5  # these are rare
    with world.proving:
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until and not world.over.wait(0.02):
            if any(name.suffix == ".xz" or not segments for name in in_danger(journal)):
                break
        world.over.wait(luck.choice([0, 0.2, 1, 3]))
        with world.power:
            met = [host.lose_power() for host in world.hosts]
            for thief in list(world.thieves):
                with suppress(ProcessLookupError):
                    os.killpg(thief.pid, signal.SIGKILL)
                thief.wait()
            lost = [name for name in in_danger(journal) if luck.random() < 0.7]
            for name in lost:
                name.unlink(missing_ok=True)
            journal.write_text("")
    return any(met) and bool(lost)


def in_danger(journal: Path) -> list[Path]:
    """The names of ledger entries and segments that were linked and whose folder was not synced since.

    One that was synced once stays safe: a later link to it is by somebody who comes too late, and fails.
    """
    names: dict[str, set[str]] = {}
    safe: set[str] = set()
    for line in journal.read_text().splitlines():
        did, _, path = line.partition(" ")
        if did == "sync":
            safe.update(f"{path}/{name}" for name in names.pop(path, ()))
        elif "/_ledger/" in path and path not in safe:
            folder, _, name = path.rpartition("/")
            names.setdefault(folder, set()).add(name)
    return [Path(folder, name) for folder, found in names.items() for name in sorted(found)]


def journal_of(disk: Path) -> Path:
    """The journal beside the file that controls the faulty disk; kept only while it is there."""
    return disk.with_suffix(".journal")
