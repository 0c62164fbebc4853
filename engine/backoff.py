"""When a worker that died is started again, and when trying has to stop."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RestartLimits:
    """At most `restarts_max` deaths within `window_seconds`; waits double from `first_seconds` to `last_seconds`."""

    restarts_max: int
    window_seconds: float
    first_seconds: float = 0.2
    last_seconds: float = 15.0


@dataclass(slots=True)
class Backoff:
    """The deaths of one partition's workers. Time is a parameter (monotonic seconds)."""

    limits: RestartLimits
    _deaths: deque[float] = field(default_factory=deque)

    def died(self, now: float) -> float | None:
        """Count a death; seconds to wait before the next start, or None when the limit is passed."""
        self._deaths.append(now)
        while self._deaths[0] < now - self.limits.window_seconds:
            self._deaths.popleft()
        if len(self._deaths) > self.limits.restarts_max:
            return None
        doubled = self.limits.first_seconds * 2.0 ** (len(self._deaths) - 1)
        return min(doubled, self.limits.last_seconds)

    def forget(self) -> None:
        """Begin anew: something was landed."""
        self._deaths.clear()
