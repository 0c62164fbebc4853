"""Preconditions of a request: the generation that an object must have, or must not.

https://cloud.google.com/storage/docs/request-preconditions
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from support.gcs.errors import GcsError, condition_not_met


class Versioned(Protocol):
    """What preconditions look at."""

    @property
    def generation(self) -> int:
        """Which writing of the name this is."""

    @property
    def metageneration(self) -> int:
        """How often its metadata was written, from 1."""


@dataclass(frozen=True)
class Conditions:
    """The four of them; None is one that was not asked for. Generation 0 stands for an object that is not there."""

    generation: int | None = None
    not_generation: int | None = None
    metageneration: int | None = None
    not_metageneration: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, str], source: bool = False) -> Self:
        """Those of a query: on the object itself (for move and rewrite the destination), or on their source."""
        prefix = "ifSource" if source else "if"
        return cls(
            number(query, f"{prefix}GenerationMatch"),
            number(query, f"{prefix}GenerationNotMatch"),
            number(query, f"{prefix}MetagenerationMatch"),
            number(query, f"{prefix}MetagenerationNotMatch"),
        )

    def check(self, found: Versioned | None, reading: bool = False) -> None:
        """Raises GcsError: 412, or 304 where something is only read and has not changed."""
        generation = found.generation if found else 0
        metageneration = found.metageneration if found else None
        if self.generation is not None and generation != self.generation:
            condition_not_met()
        if self.metageneration is not None and metageneration != self.metageneration:
            condition_not_met()
        unchanged = self.not_generation is not None and (generation == self.not_generation or found is None)
        unchanged |= self.not_metageneration is not None and metageneration in {self.not_metageneration, None}
        if unchanged and reading:
            raise GcsError(304, "notModified", "")
        if unchanged:
            condition_not_met()


def number(query: Mapping[str, str], parameter: str) -> int | None:
    """A parameter that is a number; None where it is missing. Raises GcsError (400) for anything else."""
    text = query.get(parameter)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        message = f"Invalid value for parameter {parameter}: {text!r} is no number."
        raise GcsError(400, "invalidParameter", message) from None
