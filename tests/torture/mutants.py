"""Every mutant of the model test, tortured: `python tests/torture/mutants.py [--minutes 5] [--seed N] [--only WORD …]`.

The protocol of the engines is broken by one line each time, and what can befall a storage and its writers does, until
somebody sees that something can't be right. Runs are short, one seed after the other, until one has caught it or the
minutes are used up: what is missing in the end only, like a letter that was never sent, shows when a run ends. Whole
engines are tortured alike before, and nothing may be seen. Prints how long each took and what was seen; exits 1 when
one was not caught.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from model.mutants import MUTANTS

ENTRIES_PER_FOLDER = 1
"""So few that whoever comes late finds his slot folded."""

COSTLY = ("power cut", "host frozen")
"""After these the group gives a host's partitions to nobody for some seconds: only every second run has them."""

BESIDE_POWER = ("host frozen", "worker", "answers lost", "disk failing")
"""What runs with power cuts are spared, so that much happens between two of them."""

PROMISES = (
    "oracle",
    "prove",
    "disappeared",
    "changed",
    "doubled",
    "partial",
    "early",
    "acknowledged",
    "unsent",
    "orphans",
    "bug",
    "damage",
    "false",
    "stuck",
)
"""How the sentences begin that say that the promise is broken; anything else is a run that went wrong by itself."""

RUN = Path(__file__).with_name("run.py")


def _tortured(mutant: str | None, minutes: int, seed: int) -> tuple[str, float]:
    """The first sentence that says what can't be right, empty for none; and how many seconds that took.

    A mutant may make a run go wrong by itself, and the next run shows why; for whole engines that is the end.
    """
    began = time.monotonic()
    seen = ""
    for number in range(seed, seed + minutes):
        seen = _run(mutant, number)
        if seen.startswith(PROMISES) or (seen and mutant is None):
            break
    return seen, time.monotonic() - began


def _run(mutant: str | None, seed: int) -> str:
    """What was seen in one run of a minute."""
    command = [sys.executable, str(RUN), "--storage", "--until-fault"]
    command += ["--minutes", "1", "--seed", str(seed), *(["--mutant", mutant] if mutant else [])]
    command += ["--spare", *(COSTLY if seed % 2 else BESIDE_POWER)]
    env = {**os.environ, "STREAMLAKE_TORTURE_ENTRIES": str(ENTRIES_PER_FOLDER)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    seen = next((line for line in done.stdout.splitlines() if line.startswith(PROMISES)), "")
    if done.returncode and not seen:
        seen = f"the run itself went wrong: {done.stdout[-300:]} {done.stderr[-500:]}"
    return seen


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=int, default=5)
    parser.add_argument("--seed", type=int, default=2, help="the first one; by default three of five have power cuts")
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="mutants with these words in their name")
    asked = parser.parse_args()
    control, seconds = _tortured(None, asked.minutes, asked.seed)
    if control:
        print(f"whole engines, tortured alike: {control}\nso nothing is shown by mutants")
        return 1
    print(f"whole engines, tortured alike: {seconds:.0f} s: nothing to see", flush=True)
    alive = []
    for mutant in MUTANTS:
        if asked.only and not any(word in mutant.name for word in asked.only):
            continue
        seen, seconds = _tortured(mutant.name, asked.minutes, asked.seed)
        if not seen.startswith(PROMISES):
            alive.append(mutant.name)
        print(f"{mutant.name}: {seconds:.0f} s: {seen[:200] or 'NOT CAUGHT'}", flush=True)
    print(f"not caught: {', '.join(alive)}" if alive else "every mutant was caught")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
