"""One cell of the table: lives, one after the other, until one comes to its end; and what was left then."""

import multiprocessing
import multiprocessing.forkserver as forkserver_of_multiprocessing
import os
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Protocol
from unittest.mock import patch

from storage.life import Root, faults_of, live

TESTS = Path(__file__).parents[1]

CONVERGE_SECONDS_MAX = 180.0
BETWEEN_LIVES_SECONDS = 0.3
"""As a supervisor waits before it starts a worker again, only less."""


class Trouble(Protocol):
    """A fault that is armed."""

    def wait(self, process: ForkServerProcess) -> None:
        """Return when it was met, or when the process is at its end."""

    def mend(self) -> None:
        """It happens no more."""

    @property
    def met(self) -> bool:
        """Whether it ever happened."""

    @property
    def late(self) -> bool:
        """Whether something was done after all others had come to their end."""


@dataclass
class Outcome:
    """How a cell went. `met`: its fault came; `stopped`: the words lives ended with; `faults`: what may never be."""

    seconds: float = 0.0
    kills: int = 0
    met: bool = True
    stopped: list[str] = field(default_factory=list)
    mended: bool = False
    faults: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        """The outcome in a line."""
        if self.faults:
            return f"FAILED: {'; '.join(self.faults)}"
        if self.stopped:
            return f"0 lost, 0 doubled, stopped ({self.stopped[-1]}), went on, done after {self.seconds:.1f} s"
        return f"0 lost, 0 doubled, converged in {self.seconds:.1f} s"


def forkserver() -> ForkServerContext:
    """Where lives come from: each a fork of a process that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    with patch.dict(os.environ, {"PYTHONPATH": str(TESTS)}):  # of sys.path it hears nothing
        context.set_forkserver_preload(["storage.life"])
        forkserver_of_multiprocessing.ensure_running()
    return context


def outcome_of(
    context: ForkServerContext,
    root: Root,
    seen_by_the_judge: Root,
    trouble: Trouble,
    *,
    disk: Path | None = None,
    kill: bool = False,
    for_ever: bool = False,
) -> Outcome:
    """Let lives follow each other until one ends well. `kill`: the first one dies when it meets the trouble.

    A fault that is `for_ever` is mended when a life has ended with words because of it.
    """
    outcome, began = Outcome(), time.monotonic()
    while True:
        ended = _one_life(context, root, disk, trouble if kill and not outcome.kills else None)
        if ended == "":
            break
        if ended is None:
            outcome.kills += 1
        else:
            outcome.stopped.append(ended)
            if for_ever and not outcome.mended and trouble.met:
                trouble.mend()
                outcome.mended = True
        if time.monotonic() - began > CONVERGE_SECONDS_MAX:
            outcome.faults.append(f"not at its end after {CONVERGE_SECONDS_MAX:g} s: {ended}")
            return outcome
        threading.Event().wait(BETWEEN_LIVES_SECONDS)
    outcome.seconds = time.monotonic() - began
    trouble.mend()
    if trouble.late:
        # What a dead writer staged came after its successor had collected: it is the next claim's.
        outcome.stopped += [said for said in (_one_life(context, root, disk, None),) if said]
    outcome.met = trouble.met
    # A life that was so slow that it stopped has moved the step for its successor; `run.missed` bounds how many are.
    if not trouble.met and not outcome.stopped:
        outcome.faults.append("the fault never happened")
    outcome.faults += faults_of(seen_by_the_judge)
    return outcome


def _one_life(context: ForkServerContext, root: Root, disk: Path | None, killer: Trouble | None) -> str | None:
    """What it said at its end: nothing when all went well; None when it was killed."""
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=live, args=(theirs, root, disk))
    process.start()
    theirs.close()
    try:
        if killer is not None:
            killer.wait(process)
            process.kill()
        said: str | None = ours.recv()
    except EOFError:
        said = None
    finally:
        ours.close()
    process.join()
    return said
