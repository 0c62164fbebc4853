"""Cuts the power of a disk under the real sink: `python tests/power/run.py --seeds 300 [--first N] [--mutant NAME]`.

Each seed lets writers land a small topic, some of which are killed; then the power goes, at any call. A state that the
disk may be in is built, and all begins anew on it, perhaps once more. In the end one writer finishes: whatever was told
to somebody outside must still be true, `prove` has to pass, and each offset has landed once.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

# ruff: noqa: PLC0415 - all of the engine is imported after a mutant was installed
from model.mutants import Mutant, install
from power.verdict import BrokenError, Told
from support.quiet import no_logs

LOCAL = "streamlake.plugins.sinks.file.backends.local"
MUTANTS = (
    Mutant("a staged file is not synced", LOCAL, "            os.fsync(self._file.fileno())\n", ""),
    Mutant(
        "the folder of a staged file is not synced",
        LOCAL,
        "            self._file.close()\n            _fsync_folder(self._path.parent)\n",
        "            self._file.close()\n",
    ),
    Mutant(
        "the ledger's folder is not synced after an append",
        LOCAL,
        "                _fsync_folder(self._path(path).parent)\n            except FileExistsError",
        "            except FileExistsError",
    ),
    Mutant(
        "the folder of a published file is not synced",
        LOCAL,
        '            _fsync_folder(target.parent)\n            failpoint("before_publish_unlink")',
        '            failpoint("before_publish_unlink")',
    ),
    Mutant(
        "new folders are not synced in theirs",
        LOCAL,
        "            _fsync_folder(folder.parent)\n        self._durable",
        "        self._durable",
    ),
    Mutant(
        "the head that is acted on is not made durable",
        LOCAL,
        "                with suppress(FileNotFoundError):\n                    _fsync_folder(folder)\n",
        "                continue\n",
    ),
)


def run_seed(seed: int, folder: Path) -> Counter[str]:
    """One seed to its end; what happened. Raises BrokenError."""
    from power.disk import Disk, rebuild, recording, replayed
    from power.writing import Topic, check, write

    luck = random.Random(seed)
    topic = Topic.of(luck)
    told, counts = Told(), Counter[str]()
    root = folder / f"{seed}-0"
    root.mkdir()
    with recording() as recorder:
        for cut in range(1, luck.randint(1, 3) + 1):
            before, recorder.log = Disk.of(root), []
            for _ in range(luck.randint(1, 3)):
                before_sync = luck.random() < 0.5
                counts[write(root, topic, luck, recorder, luck.randint(1, 120), before_sync=before_sync)] += 1
            log = recorder.log[: luck.randint(0, len(recorder.log))]
            for operation in log:
                if operation[:2] == ("mark", "reported"):
                    told.entries[operation[2]] = operation[3]
                elif operation[:2] == ("mark", "sent"):
                    told.letters.add(operation[2])
            found = replayed(root, before, log).crashed(luck)
            counts["power cuts"] += 1
            rebuild(found, str(root), folder / f"{seed}-{cut}")
            root = folder / f"{seed}-{cut}"
        end = write(root, topic, luck, recorder, None)
        if end != "finished":
            raise BrokenError(f"no writer comes to the end: {end}")
    check(root, topic, told)
    return counts


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--mutant", choices=[mutant.name for mutant in MUTANTS])
    asked = parser.parse_args()
    no_logs()  # of what can't be folded there are thousands
    if asked.mutant:
        install(next(mutant for mutant in MUTANTS if mutant.name == asked.mutant))
    counts: Counter[str] = Counter()
    for seed in range(asked.first, asked.first + asked.seeds):
        with tempfile.TemporaryDirectory() as folder:
            try:
                counts += run_seed(seed, Path(folder))
            except BrokenError as broken:
                mutant = f" --mutant {asked.mutant!r}" if asked.mutant else ""
                print(f"seed {seed}: {broken}\nreplay: python tests/power/run.py --seeds 1 --first {seed}{mutant}")
                return 1
    print(f"{asked.seeds} seeds hold: " + ", ".join(f"{number} {what}" for what, number in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
