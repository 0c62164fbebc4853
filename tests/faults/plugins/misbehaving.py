"""Validators for the fault tests, found by `python_path` as a user's own would be: the `json` one, with a flaw."""

import os
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from streamlake.engine.records import Batch, PayloadKind, Verdict
from streamlake.plugins.validators.json import JsonValidator

POISON = b'"poison"'


def _raise() -> None:
    raise RuntimeError("no such currency table")


def _exit() -> None:
    os._exit(3)


def _exit_content() -> None:
    os._exit(0)


def _hang() -> None:
    threading.Event().wait()


def _hang_alone() -> None:
    """Never let another thread of this process run: a regular expression does not give the interpreter back."""
    re.match(r"(a+)+$", "a" * 80 + "b")


FLAWS: Mapping[str, Callable[[], None]] = {
    "raise": _raise,
    "exit": _exit,
    "exit 0": _exit_content,
    "hang": _hang,
    "hang alone": _hang_alone,
}


class Misbehaving:
    """Has a flaw (`how`) that shows at records with the word "poison"; notes each time in the file `notes` before."""

    payload: PayloadKind = "json"

    def __init__(self, honest: JsonValidator, how: str, notes: Path) -> None:
        self._honest, self._flaw, self._notes = honest, FLAWS[how], notes
        self.fingerprint = f"misbehaving {honest.fingerprint}"

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, columns: bool, base_dir: Path) -> Self:
        """Make one from `how` and `notes`."""
        honest = JsonValidator.from_options({}, columns=columns, base_dir=base_dir)
        return cls(honest, str(options["how"]), Path(str(options["notes"])))

    def validate(self, batch: Batch) -> Verdict:
        """As `json` does, unless there is poison in it."""
        if any(POISON in value for value in batch.values if value is not None):
            with self._notes.open("a", encoding="ascii") as notes:
                notes.write(f"{len(batch)}\n")
            self._flaw()
        return self._honest.validate(batch)
