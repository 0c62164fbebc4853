"""Runs seeds of the model: `python tests/model/run.py --seeds 10000 [--first N] [--mutant NAME]`.

Prints the first seed that breaks the promise, the rule it breaks, and the command that replays it; exits 1 then.
"""

import argparse
import gc
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from model import mutants
from support.quiet import no_logs

SEEDS_PER_COLLECTION = 100


def seeds_hold(first: int, seeds: int) -> Counter[str]:
    """What happened in `seeds` seeds from `first` on. Raises SeedError with the first that breaks the promise."""
    from model.luck import Run  # noqa: PLC0415 - after a mutant was installed
    from model.writers import small_ledgers  # noqa: PLC0415

    counts: Counter[str] = Counter()
    gc.disable()  # dead greenlets are cycles: collecting them now and then is quicker
    with small_ledgers():
        for seed in range(first, first + seeds):
            try:
                counts.update(Run(seed).go().counts)
            except Exception as error:
                raise SeedError(seed, error) from error
            if seed % SEEDS_PER_COLLECTION == 0:
                gc.collect()
    gc.enable()
    return counts


class SeedError(Exception):
    """A seed that breaks the promise, by a rule of the model or by an assertion of the real code."""

    def __init__(self, seed: int, error: Exception) -> None:
        super().__init__(f"seed {seed}: {type(error).__name__}: {error}")
        self.seed = seed


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--mutant", choices=[mutant.name for mutant in mutants.MUTANTS])
    asked = parser.parse_args()
    no_logs()  # of what can't be folded there are thousands
    if asked.mutant:
        mutants.install(next(mutant for mutant in mutants.MUTANTS if mutant.name == asked.mutant))
    try:
        counts = seeds_hold(asked.first, asked.seeds)
    except SeedError as broken:
        mutant = f" --mutant {asked.mutant!r}" if asked.mutant else ""
        print(f"{broken}\nreplay: python tests/model/run.py --seeds 1 --first {broken.seed}{mutant}")
        return 1
    print(f"{asked.seeds} seeds, no violation: " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
