"""How a mutant is asked for: by the environment of a process, see `sitecustomize.py`."""

from pathlib import Path

VARIABLE = "STREAMLAKE_TORTURE_MUTANT"


def mutating(mutant: str | None) -> dict[str, str]:
    """The environment that puts a mutant into an engine or an edge, and into nothing else."""
    return {"PYTHONPATH": str(Path(__file__).parent), VARIABLE: mutant} if mutant else {}
