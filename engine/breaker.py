"""The breaker: stops a partition before a broken producer or schema drains a topic into the dead letters."""

import shlex
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from streamlake.engine.codes.base import Code
from streamlake.engine.codes.records import BREAKER_IN_A_ROW, BREAKER_RATIO
from streamlake.engine.errors import BreakerError
from streamlake.engine.folding import folded_message
from streamlake.engine.records import Batch, Refusal


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
    files: str
    """The pipeline's YAML files, for the command that shows what is refused."""
    _seen: int = 0  # messages before this batch
    _recent: deque[int] = field(default_factory=deque)  # places of the refused ones within the last window
    _run: int = 0  # refused in a row up to the last message

    def look(self, batch: Batch, refused: Sequence[Refusal]) -> None:
        """Take a batch and what is refused of it into account. Raises BreakerError when a limit is passed."""
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
                limit = f"consecutive_max is {self.limits.consecutive_max}"
                raise self._tripped(f"{self._run} refused in a row", limit, batch, refused, BREAKER_IN_A_ROW)
            if len(self._recent) > allowed:
                window = min(self.limits.window_rows, place + 1)  # at the start there were fewer
                limit = f"ratio_max is {self.limits.ratio_max:g} of {self.limits.window_rows}"
                what = f"{len(self._recent)} of the last {window} refused"
                raise self._tripped(what, limit, batch, refused, BREAKER_RATIO)
        self._seen += len(batch)
        if previous != self._seen - 1:
            self._run = 0

    def _tripped(self, what: str, limit: str, batch: Batch, refused: Sequence[Refusal], code: Code) -> BreakerError:
        """The error, with the commonest kind of refusal, one of these, and the command that shows such records.

        Without a value of a record: it goes into logs and to /status. What to do about it, whoever parks says.
        """
        kinds = [folded_message(refusal.message) for refusal in refused]
        ((kind, _),) = Counter(kinds).most_common(1)
        offset, source = batch.offsets[refused[kinds.index(kind)].index], batch.source
        place = f"--from {offset} --topic {shlex.quote(source.topic)} --partitions {source.partition}"
        return BreakerError(
            f"{what}, most often '{kind}', for instance {source}/{offset} (dead_letters.breaker: {limit}). Nothing of "
            f"the batch has landed; `streamlake dry-run {self.files} {place} --limit 20` shows such records",
            code=code,
        )
