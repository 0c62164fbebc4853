"""The same line again and again, said once and then counted: a restart storm must not fill the log."""

from collections.abc import Hashable
from dataclasses import dataclass

FOLD_SECONDS = 60.0


@dataclass(slots=True)
class Repeats:
    """How often the same has happened since it was last said. Time is a parameter (monotonic seconds)."""

    _kind: Hashable = None
    _last_at: float = 0.0
    _said_at: float = 0.0
    _count: int = 0

    def goes_on(self, kind: Hashable, now: float) -> bool:
        """Whether this is the same as before, within FOLD_SECONDS, and so is counted and not said."""
        again = kind == self._kind and now - self._last_at < FOLD_SECONDS
        self._last_at = now
        self._count += again
        return again

    def begin(self, kind: Hashable, now: float) -> None:
        """It is another thing, and is said now. What was counted of the one before is to be taken first."""
        self._kind, self._said_at, self._count = kind, now, 0

    def take(self, now: float, *, due: bool) -> tuple[int, float] | None:
        """How often it has happened, and in how many seconds: then it counts anew. None where it has not.

        With `due` only once FOLD_SECONDS are over.
        """
        seconds = now - self._said_at
        if self._count == 0 or (due and seconds < FOLD_SECONDS):
            return None
        count, self._count, self._said_at = self._count, 0, now
        return count, seconds
