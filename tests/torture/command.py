"""A `streamlake` command as torture asks it: `prove` and `status` must know of its small ledger folders."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))


from torture import faulty_disk  # noqa: F401 - the import alone changes this process, as it does the engines'

from streamlake.engine.cli.main import run

sys.exit(run())
