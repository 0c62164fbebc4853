"""Takes each protection out in a copy of the repository and shows that its fault test then fails.

`python tests/faults/unprotected.py [WORD …]` runs those whose name has one of the words, or all (ten minutes). A fault
test that passes without the protection it is about proves nothing; this is how README.md's table was made.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from faults.protections import MUTANTS, Mutant
from support.source import export


def main(words: list[str]) -> int:
    """Try the mutants; how many were not caught."""
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)]
    missed = 0
    for mutant in chosen:
        caught, how = try_out(mutant)
        missed += not caught
        print(f"{'caught' if caught else 'MISSED'}  {mutant.name}\n        {how}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} caught")
    return missed


def try_out(mutant: Mutant) -> tuple[bool, str]:
    """Whether the mutant's test fails, and with which sentences."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "copy"
        export(copy)
        file = copy / mutant.file
        text = file.read_text()
        assert text.count(mutant.old) == 1, f"{mutant.name}: {mutant.file} has changed, mend this mutant"
        file.write_text(text.replace(mutant.old, mutant.new))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/faults/{mutant.test}"],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy / ".names")},
            capture_output=True,
            text=True,
            check=False,
        )
    said = [line.removeprefix("E").strip() for line in done.stdout.splitlines() if line.startswith("E  ")]
    return done.returncode == 1, (said or done.stdout.splitlines() or [""])[0][:300]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
