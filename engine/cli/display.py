"""The progress bar of a bounded run on a terminal; nothing at all in a pipe."""

import sys
from typing import Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from streamlake.engine.state import EngineState


class ProgressDisplay:
    """Shows how much of what was there at the start has landed. In a pipe `show` costs one comparison."""

    def __init__(self, *, wanted: bool) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._total = 0
        if wanted and sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415  (only a terminal pays for it)

            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
            self._progress = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True))

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
            self._task = self._progress.add_task("joining the group")
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, state: EngineState) -> None:
        """Draw the state; called several times a second."""
        if self._progress is None or self._task is None or not state.partitions:
            return
        lag = sum(partition.lag or 0 for partition in state.partitions)
        done = sum(p.landed + p.refused + p.skipped for p in state.partitions)
        self._total = max(self._total, lag + done)
        refused = sum(partition.refused for partition in state.partitions)
        parked = sum(partition.phase == "parked" for partition in state.partitions)
        words = f"{done - refused:,} landed, {refused:,} refused" + (f", {parked} parked" if parked else "")
        self._progress.update(self._task, description=words, total=self._total or 1, completed=self._total - lag)
