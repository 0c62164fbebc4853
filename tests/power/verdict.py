"""What a seed is judged by; imports nothing of the engine, which a mutant may still have to change."""

from dataclasses import dataclass, field


class BrokenError(Exception):
    """The promise does not hold after a power cut."""


@dataclass
class Told:
    """What writers told somebody outside of the disk before the power went: entries reported, letters sent."""

    entries: dict[int, str] = field(default_factory=dict)  # sha256 by number
    letters: set[int] = field(default_factory=set)
