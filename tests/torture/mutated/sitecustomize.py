"""Python imports this before anything else, where the folder is on PYTHONPATH: it puts a mutant into the engine."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from model.mutants import MUTANTS, install

install(next(mutant for mutant in MUTANTS if mutant.name == os.environ["STREAMLAKE_TORTURE_MUTANT"]))
