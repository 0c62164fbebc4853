"""Every step of a commit under every fault of the storage: `make faults`.

    python tests/storage/run.py [--cells N --seed S] [--only WORD …] [--at-once N] [--table FILE]

Each cell lets a writer live on a root of its own, which a writer before it has left in the middle of a commit; at one
step the storage fails, once, for five seconds or for ever, and the writer goes on or is killed there. Writers follow
until one comes to its end, on a storage that is well again if it failed for ever. Then every offset is counted, `prove`
judges, and nothing may be left behind. `--cells` takes some by chance. Exit code 1 when a cell failed.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # as pytest does it: this is a program, too

# ruff: noqa: E402 - after the path above
from model.writers import small_ledgers
from storage.cells import Cell, cells
from storage.lives import Outcome, forkserver
from storage.table import table
from storage.worlds import Worlds

AT_ONCE = 12
"""Cells at the same time: most of each is waiting."""
UNMET_SHARE_MAX = 0.05


def run(chosen: Sequence[Cell], folder: Path, at_once: int = AT_ONCE) -> list[tuple[Cell, Outcome]]:
    """The cells and how each went."""
    with small_ledgers(), Worlds(folder, forkserver()) as worlds, ThreadPoolExecutor(at_once) as pool:
        return list(zip(chosen, pool.map(worlds.outcome, chosen), strict=True))


def missed(found: Sequence[tuple[Cell, Outcome]]) -> list[str]:
    """What is no result: half of those that were to be killed have to be, and few may never meet their fault.

    On a busy machine a kill may come when all is done, and a life may be so slow that it never comes by its fault.
    """
    said = []
    for backend in sorted({cell.backend for cell, _ in found}):
        of_it = [(cell, outcome) for cell, outcome in found if cell.backend == backend]
        kills = [outcome.kills for cell, outcome in of_it if cell.killed]
        unmet = sum(not outcome.met for _, outcome in of_it)
        if sum(kills) * 2 < len(kills):
            said.append(f"{backend}: {sum(kills)} of {len(kills)} cells killed their writer")
        if unmet > max(1, len(of_it) * UNMET_SHARE_MAX):
            said.append(f"{backend}: {unmet} of {len(of_it)} cells never met their fault")
    return said


def main() -> int:
    """Run what was asked for, and say how it was."""
    parser = argparse.ArgumentParser(prog="tests/storage/run.py")
    parser.add_argument("--cells", type=int, help="how many, by chance; all by default")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", nargs="*", default=[], help="only cells whose line has all of these words")
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    parser.add_argument("--table", type=Path, help="put the table into this Markdown file, between its marks")
    asked = parser.parse_args()
    possible = [cell for cell in cells() if not cell.cannot and all(word in cell.words for word in asked.only)]
    chosen = random.Random(asked.seed).sample(possible, asked.cells) if asked.cells else possible
    with tempfile.TemporaryDirectory(prefix="streamlake-faults-") as folder:
        found = run(chosen, Path(folder), asked.at_once)
    failed = [(cell, outcome) for cell, outcome in found if outcome.faults]
    without = missed(found)
    for said in [*(f"{cell.words}: {outcome.words}" for cell, outcome in failed), *without]:
        print(said)
    if asked.table is not None:
        table(found, asked.table)
    stopped = sum(bool(outcome.stopped) for _, outcome in found)
    print(
        f"faults: {len(found)} cells: {len(failed)} failed; {stopped} stopped with a message and went on, "
        f"{len(found) - stopped - len(failed)} converged; 0 lost, 0 doubled"
        if not failed and not without
        else "faults: FAILED"
    )
    return 1 if failed or without else 0


if __name__ == "__main__":
    sys.exit(main())
