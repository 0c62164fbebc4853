"""Python imports this before anything else, where the folder is on PYTHONPATH: it puts a mutant into the engine."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from model.mutants import MUTANTS, install
from torture.edge.mutants import EDGE_MUTANTS
from torture.operations.mutants import OPERATIONS_MUTANTS

asked = os.environ["STREAMLAKE_TORTURE_MUTANT"]
install(next(mutant for mutant in (*MUTANTS, *EDGE_MUTANTS, *OPERATIONS_MUTANTS) if mutant.name == asked))
