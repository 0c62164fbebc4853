"""How long each step of a batch took: a few looks at the clock for each slice, and none for a record."""

import time


class Steps:
    """Seconds by step, summed over the slices of one batch: what passed since the lap before belongs to the step.

    The steps are those of `engine/timings.py`.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._at = time.perf_counter()

    def lap(self, step: str) -> None:
        """End `step` now; the next one begins."""
        now = time.perf_counter()
        self.seconds[step] = self.seconds.get(step, 0.0) + now - self._at
        self._at = now
