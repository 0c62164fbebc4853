"""What `streamlake top` shows, and what its keys do: no terminal in here, so that each key can be tried by itself."""

from dataclasses import dataclass, replace
from typing import Literal

from rich.console import Group, RenderableType
from rich.text import Text

from streamlake.engine.cli.board import Room, board, said_at
from streamlake.engine.cli.board_words import SORTS, kind, plain, words
from streamlake.engine.cli.common import duration
from streamlake.engine.state import EngineState, PartitionState

HELP = (
    ("s, →", "sort by the next column"),
    ("S, ←", "sort by the one before"),
    ("↑ ↓, j k", "scroll, PgUp and PgDn by ten"),
    ("/", "show partitions with these letters in name or state; Enter keeps it, Esc takes it away"),
    ("p, space", "pause: the screen stands still"),
    ("?, h", "this help, and back"),
    ("q, Ctrl-C", "quit"),
)
SCROLL_FAR = 10
BACK_SECONDS = 5.0
"""How long it is said that the engine is back."""


@dataclass(slots=True)
class TopView:
    """The screen's state. `where` is the address that is asked, `yaml` how the user calls the pipeline."""

    where: str
    yaml: str
    mode: Literal["table", "help", "filter"] = "table"
    sort: str = "worst"
    scrolled: int = 0
    wanted: str = ""
    paused: bool = False
    quit: bool = False
    state: EngineState | None = None
    away: str = ""  # why no engine answers; "" while one does
    away_since: float = 0.0
    back_at: float | None = None

    def heard(self, said: EngineState | str, now: float) -> None:
        """Take in what the engine said, or why it said nothing. `now` in monotonic seconds."""
        if isinstance(said, str):
            if not self.away:
                self.away_since = now
            self.away = said
            return
        if self.away and self.state is not None:
            self.back_at = now
        self.away = ""
        if not self.paused or self.state is None:
            self.state = said

    def press(self, key: str) -> None:
        """Do what the key says; one that means nothing does nothing."""
        if self.mode == "filter":
            self._type(key)
        elif self.mode == "help":
            self.mode, self.quit = "table", key == "q"
        elif key in ("s", "right", "S", "left"):
            names = list(SORTS)
            self.sort = names[(names.index(self.sort) + (1 if key in ("s", "right") else -1)) % len(names)]
            self.scrolled = 0
        elif key in (moves := {"down": 1, "j": 1, "up": -1, "k": -1, "page down": SCROLL_FAR, "page up": -SCROLL_FAR}):
            self.scrolled = min(max(0, self.scrolled + moves[key]), max(0, len(self._matching()) - 1))
        elif key == "/":
            self.mode = "filter"
        elif key == "escape":
            self.wanted, self.scrolled = "", 0
        elif key in ("p", " "):
            self.paused = not self.paused
        elif key in ("?", "h"):
            self.mode = "help"
        elif key == "q":
            self.quit = True

    def draw(self, columns: int, lines: int, now: float) -> RenderableType:
        """The whole screen."""
        if self.mode == "help":
            return Group(Text("streamlake top", "bold"), *(Text(f"  {key:<10} {meaning}") for key, meaning in HELP))
        above = [self._keys()]
        if self.away:
            lost = "no engine yet" if self.state is None else "the engine went away"
            above.append(Text(f"{lost}, {duration(now - self.away_since)} ago: {plain(self.away)}", "bold red"))
        elif self.back_at is not None and now - self.back_at < BACK_SECONDS:
            above.append(Text("the engine is back", "bold green"))
        if self.state is None:
            hint = f"Asked again each second; `streamlake status {self.yaml}` tells what ledger and broker know."
            return Group(*above, Text(hint if self.away else "asking …"))
        for line in above:
            line.no_wrap, line.overflow = True, "ellipsis"
        matching = replace(self.state, partitions=self._matching())
        room = Room(columns, lines - len(above))
        return Group(*above, board(matching, room, self.yaml, sort=self.sort, scrolled=self.scrolled))

    def _keys(self) -> Text:
        """The first line: what is shown of whom, and the keys."""
        if self.mode == "filter":
            return Text(f"show only: {self.wanted}▏  Enter keeps it, Esc takes it away", "reverse")
        line = Text(self.where, "dim")
        line.append(f"  s sort: {self.sort}", "bold")
        line.append(f"  / filter: {self.wanted}" if self.wanted else "  / filter", "bold" if self.wanted else "")
        line.append("  p PAUSED" if self.paused else "  p pause", "reverse" if self.paused else "")
        return line.append("  ? help  q quit")

    def _type(self, key: str) -> None:
        """A key of the filter."""
        if key in ("enter", "escape"):
            self.mode = "table"
            self.wanted = self.wanted if key == "enter" else ""
        elif key == "backspace":
            self.wanted = self.wanted[:-1]
        elif len(key) == 1:
            self.wanted += key
        self.scrolled = 0

    def _matching(self) -> list[PartitionState]:
        if self.state is None:
            return []
        now, wanted = said_at(self.state), self.wanted.lower()
        return [one for one in self.state.partitions if wanted in f"{one.source} {kind(one)} {words(one, now)}".lower()]
