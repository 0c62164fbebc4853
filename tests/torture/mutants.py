"""Every mutant of the model test, tortured: `python tests/torture/mutants.py [--minutes 5] [--seed N] [--only WORD …]`.

The protocol of the engines is broken by one line each time, and all kinds of fault happen until somebody sees that
something can't be right. Prints how long that took and what was seen; exits 1 when a mutant was not caught.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from model.mutants import MUTANTS

RUN = Path(__file__).with_name("run.py")
EXCUSED = {
    "the head is acted on before it is durable": "only a power cut shows it: tests/power",
    "slots go before the segment is durable": "only a power cut shows it: tests/power",
}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="mutants with these words in their name")
    asked = parser.parse_args()
    alive = []
    for mutant in MUTANTS:
        if asked.only and not any(word in mutant.name for word in asked.only):
            continue
        if mutant.name in EXCUSED:
            print(f"{mutant.name}: {EXCUSED[mutant.name]}", flush=True)
            continue
        began = time.monotonic()
        command = [sys.executable, str(RUN), "--everything", "--until-fault", "--mutant", mutant.name]
        command += ["--minutes", str(asked.minutes), "--seed", str(asked.seed)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        seen = done.stdout.partition("\n}\n")[2].partition("\n")[0]
        if done.returncode == 0:
            alive.append(mutant.name)
            seen = "NOT CAUGHT"
        print(f"{mutant.name}: {time.monotonic() - began:.0f} s: {seen[:200]}", flush=True)
    print(f"not caught: {', '.join(alive)}" if alive else "every mutant was caught")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
