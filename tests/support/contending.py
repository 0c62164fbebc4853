"""Many processes that want the same slots at the same moments: `python -m support.contending ROOT`.

A program of its own, because it forks: a test's process has threads and clients, with which no forked child may live.
Prints as JSON, for each slot, who believes to have won it.
"""

import json
import multiprocessing
import sys
import threading
from multiprocessing.sharedctypes import SynchronizedArray
from multiprocessing.synchronize import Barrier
from pathlib import Path

from streamlake.plugins.sinks.file.backends.registry import backend_of

WRITERS = 32
ROUNDS = 12


def contend(
    root: str, me: int, start: "Barrier | threading.Barrier", wins: "SynchronizedArray[int] | list[int]"
) -> None:
    """One of the writers; a bit of `wins[slot]` says that it won."""
    backend = backend_of(root, base_dir=Path("/"))
    for slot in range(ROUNDS):
        start.wait()
        if backend.put_if_absent(f"_ledger/{slot}.json", content(me), stage=f"_stage/{me}"):
            wins[slot] += 1 << me


def content(me: int) -> bytes:
    """What a writer puts into each slot."""
    return b"writer %d" % me * 50


def main(root: str) -> None:
    """Let them contend."""
    context = multiprocessing.get_context("fork")
    wins, start = context.Array("Q", ROUNDS), context.Barrier(WRITERS, timeout=60)
    writers = [context.Process(target=contend, args=(root, me, start, wins)) for me in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    if any(writer.exitcode for writer in writers):
        sys.exit(f"writers ended with {[writer.exitcode for writer in writers]}")
    print(json.dumps(wins[:]))


if __name__ == "__main__":
    main(sys.argv[1])
