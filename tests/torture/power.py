"""Cuts the power: all hosts die at once, and names in the ledger go whose folder nobody had synced.

The faulty disk keeps a journal, one line each: a link that is about to be made, a folder that was synced. So a name
that is in danger is never one that somebody could rely on. Only entries and segments are taken back: any subset of
what is in danger may be lost, and the others of it have readers, who would lose their power, too.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random

from torture.world import ENTRIES_PER_FOLDER, World

WAIT_SECONDS: Mapping[str, float] = {"a name": 6.0, "a segment": 6.0, "what is relied on": 20.0}
"""How long a cut waits for one of those to be in danger; two of three for the last."""


class Danger:
    """Follows a journal, and knows the names of entries and segments whose folder was not synced since their link.

    One that was synced once stays safe: a later link to it is by somebody who comes too late, and fails.
    """

    def __init__(self, journal: Path) -> None:
        self._journal, self._read = journal, 0
        self._names: dict[str, set[str]] = {}
        self._safe: set[str] = set()

    def names(self) -> list[Path]:
        """All that are in danger by now, whether or not their link was made in the end."""
        with self._journal.open("rb") as journal:
            journal.seek(self._read)
            lines = journal.read()
        self._read += len(lines)
        for line in lines.decode().splitlines():
            did, _, path = line.partition(" ")
            if did == "sync":
                self._safe.update(f"{path}/{name}" for name in self._names.pop(path, ()))
            elif "/_ledger/" in path and path not in self._safe:
                folder, _, name = path.rpartition("/")
                self._names.setdefault(folder, set()).add(name)
        return [Path(folder, name) for folder, found in self._names.items() for name in sorted(found)]


def cut_power(world: World, luck: Random) -> bool:
    """Wait until a name is in danger, cut the power then or a little later, and let some of the names go."""
    danger, wait_for = Danger(journal_of(world.disk)), luck.choices(list(WAIT_SECONDS), [1, 1, 4])[0]
    with world.proving:
        until = time.monotonic() + WAIT_SECONDS[wait_for]
        while not (seen := any(map(WORTH_A_CUT[wait_for], danger.names()))) and time.monotonic() < until:
            if world.over.wait(0.002):
                break
        if not seen or wait_for != "what is relied on":
            world.over.wait(luck.choice([0, 0.2, 1, 3]))
        with world.power:
            met = [host.lose_power() for host in world.hosts]  # all before the first wait: no time for another sync
            thieves = list(world.thieves)
            for thief in thieves:
                with suppress(ProcessLookupError):
                    os.killpg(thief.pid, signal.SIGKILL)
            for host in world.hosts:
                host.wait_until_dark()
            for thief in thieves:
                thief.wait()
            lost = [name for name in danger.names() if luck.random() < 0.7]
            for name in lost:
                name.unlink(missing_ok=True)
            journal_of(world.disk).write_text("")
    return any(met) and bool(lost)


def is_relied_on(name: Path) -> bool:
    """Whether somebody has gone on as if this name, which is in danger, could not be lost.

    An entry that has a successor, a segment whose slots are gone. Engines that are whole never do; whoever does is
    shown by a cut at this moment, which chance alone would seldom find.
    """
    if not name.exists():
        return False
    if name.suffix == ".xz":
        slots = name.with_name(name.name.partition(".")[0])
        return not any(slots.glob("*.json"))
    seq, ledger = int(name.stem), name.parents[1]
    return (ledger / f"{(seq + 1) // ENTRIES_PER_FOLDER:08d}" / f"{seq + 1:012d}.json").exists()


WORTH_A_CUT: Mapping[str, Callable[[Path], bool]] = {
    "a name": lambda _: True,
    "a segment": lambda name: name.suffix == ".xz",
    "what is relied on": is_relied_on,
}


def journal_of(disk: Path) -> Path:
    """The journal beside the file that controls the faulty disk; kept only while it is there."""
    return disk.with_suffix(".journal")
