"""The live table of a run on a terminal, below its log lines; nothing at all in a pipe."""

import os
import sys
import time
from typing import TYPE_CHECKING, Self

from streamlake.engine.logs import configured_logs, log_to
from streamlake.engine.state import EngineState

if TYPE_CHECKING:  # only a terminal pays for rich
    from rich.console import Console, RenderableType
    from rich.live import Live

    from streamlake.engine.cli.captured import CapturedStderr

REFRESH_SECONDS = 1.0
LINES_MIN = 8
BAR_CHARS = 30


class LiveTable:
    """Shows each partition, and for a `bounded` run how much of what was there at its start has landed.

    It stands on standard error; what it says last stays there. Not for JSON logs, nor for a terminal without a cursor.
    `yaml` is how the user calls the pipeline.
    """

    def __init__(self, yaml: str, *, bounded: bool) -> None:
        self._yaml, self._bounded = yaml, bounded
        self._total, self._part = 0, 0.0
        self._shown_at = -REFRESH_SECONDS
        self._state: EngineState | None = None
        self._captured: CapturedStderr | None = None
        self._live: Live | None = None

    def __enter__(self) -> Self:
        as_text = (configured_logs() or ("text",))[0] == "text"
        if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" and as_text:
            self._open()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is None or self._captured is None:
            return
        self._captured.close()
        log_to(None)
        if self._state is not None:
            self._live.update(self._drawn(self._live.console, self._state))
        self._live.stop()
        self._live.console.file.close()

    def show(self, state: EngineState) -> None:
        """Draw the state, at most once a second; called several times a second. In a pipe it costs one comparison."""
        if self._live is None or self._captured is None:
            return
        self._state = state
        if time.monotonic() - self._shown_at < REFRESH_SECONDS:
            return
        self._shown_at = time.monotonic()
        if not self._live.is_started:
            self._live.start()
            self._captured.listen(self._print)
            log_to(None)
        self._live.update(self._drawn(self._live.console, state), refresh=True)

    def _open(self) -> None:
        from rich.console import Console  # noqa: PLC0415  # only a terminal pays for it
        from rich.live import Live  # noqa: PLC0415  # the same

        from streamlake.engine.cli.captured import CapturedStderr  # noqa: PLC0415  # the same

        self._captured = CapturedStderr()
        console = Console(file=os.fdopen(self._captured.terminal, "w", encoding="utf-8"))
        log_to(console.file)  # until there is a table: what a start waits for has to be seen
        # Without a thread of its own, since workers are forked; without redirection, since all comes by the pipe.
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)

    def _print(self, line: str) -> None:
        from rich.text import Text  # noqa: PLC0415  # only a terminal pays for it

        assert self._live is not None
        self._live.console.print(Text.from_ansi(line), soft_wrap=True)

    def _drawn(self, console: "Console", state: EngineState) -> "RenderableType":
        from rich.console import Group  # noqa: PLC0415  # only a terminal pays for it

        from streamlake.engine.cli.board import Room, board  # noqa: PLC0415  # the same

        lines = max(LINES_MIN, console.size.height * 2 // 3)
        drawn = board(state, Room(console.width, lines), self._yaml)
        return Group(self._bar(state, console.width), drawn) if self._bounded else drawn

    def _bar(self, state: EngineState, columns: int) -> "RenderableType":
        from rich.progress_bar import ProgressBar  # noqa: PLC0415  # only a terminal pays for it
        from rich.table import Table  # noqa: PLC0415  # the same
        from rich.text import Text  # noqa: PLC0415  # the same

        lags = [partition.lag for partition in state.partitions]
        lag = sum(lag or 0 for lag in lags)
        done = sum(p.landed + p.refused + p.skipped for p in state.partitions)
        known = None not in lags
        self._total = max(self._total, lag + done)
        refused = sum(partition.refused for partition in state.partitions)
        if known:
            self._part = 1 - lag / self._total if self._total else 0.0
        row = Table.grid(padding=(0, 1))
        words = f"{done - refused:,} landed, {refused:,} refused" if state.partitions else "joining the group"
        bar = ProgressBar(total=1.0, completed=self._part, width=max(1, min(BAR_CHARS, columns - len(words) - 6)))
        row.add_row(Text(words, no_wrap=True, overflow="ellipsis"), bar, f"{self._part:.0%}" if known else "?")
        return row
