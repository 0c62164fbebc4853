"""A `streamlake` command as torture asks it: each must know of its small ledger folders, and may meet its faults."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))


from torture import faulty_disk

from streamlake.engine.cli.main import run

# The import alone changes this process, as it does the engines': once, also where the pipeline's YAML names it.
sys.modules["faulty_disk"] = faulty_disk

if __name__ == "__main__":  # the children of a run import this, too
    sys.exit(run())
