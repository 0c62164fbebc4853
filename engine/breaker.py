"""The breaker: stops a partition before a broken producer or schema drains a topic into the dead letters."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from streamlake.engine.errors import BreakerError
from streamlake.engine.records import Refusal


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """More than `ratio_max` of any `window_rows` messages in a row, or `consecutive_max` one after another."""

    ratio_max: float
    window_rows: int
    consecutive_max: int


@dataclass(slots=True)
class Breaker:
    """Counts over the batches of one worker's life; looks at a verdict before anything of it is staged."""

    limits: BreakerLimits
    _seen: int = 0  # messages before this batch
    _recent: deque[int] = field(default_factory=deque)  # places of the refused ones within the last window
    _run: int = 0  # refused in a row up to the last message

    def look(self, rows: int, refused: Sequence[Refusal]) -> None:
        """Take a batch of `rows` messages into account. Raises BreakerError when a limit is passed."""
        allowed = int(self.limits.ratio_max * self.limits.window_rows)
        previous = self._seen - 1 if self._run else -2
        for refusal in refused:
            place = self._seen + refusal.index
            self._run = self._run + 1 if place == previous + 1 else 1
            previous = place
            self._recent.append(place)
            while self._recent[0] <= place - self.limits.window_rows:
                self._recent.popleft()
            if self._run > self.limits.consecutive_max:
                raise self._trip(f"more than {self.limits.consecutive_max} messages were refused in a row", refused)
            if len(self._recent) > allowed:
                window = f"{len(self._recent)} of {self.limits.window_rows} messages in a row were refused"
                raise self._trip(window, refused)
        self._seen += rows
        if previous != self._seen - 1:
            self._run = 0

    def _trip(self, what: str, refused: Sequence[Refusal]) -> BreakerError:
        ((message, count),) = Counter(refusal.message for refusal in refused).most_common(1)
        return BreakerError(
            f"{what} (dead_letters.breaker), {count} of the last ones for: {message}. Nothing of the batch was landed "
            "or refused yet. Mend the producer, the validator or the limits, then send SIGHUP or restart."
        )
