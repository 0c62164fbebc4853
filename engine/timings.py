"""How long batches and their steps took, as histograms with fixed buckets: what a supervisor adds up for /metrics."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

STEPS = ("fetch", "validate", "stage", "confirm", "commit", "publish", "dead_letters")
"""Of a batch, in its order. `fetch` is waiting for messages, too; in `confirm` the broker is asked who the topic is."""
BOUNDS_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""From a commit on a local disk to a batch of the longest `batch.seconds_max` that is usual."""


@dataclass(slots=True)
class Histogram:
    """Counts by bucket, the last for all beyond the bounds, and the sum of the seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_SECONDS) + 1))
    sum_seconds: float = 0.0

    def take(self, seconds: float) -> None:
        """Count one; a bound belongs to its bucket, as Prometheus has it."""
        self.counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.sum_seconds += seconds


@dataclass(slots=True)
class Timings:
    """Of one topic's batches on this host, whichever partition and worker they were of: nothing is ever taken back."""

    batch: Histogram = field(default_factory=Histogram)
    steps: dict[str, Histogram] = field(default_factory=lambda: {step: Histogram() for step in STEPS})

    def take(self, seconds: float, steps: Mapping[str, float]) -> None:
        """A batch was committed: the seconds of it all, and by step; a step that it did not have is left out."""
        self.batch.take(seconds)
        for step, taken in steps.items():
            self.steps[step].take(taken)
