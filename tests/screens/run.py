"""`make screenshots`: the pictures of `top` and of the live table in docs, drawn by the commands themselves.

Each runs on a pseudo-terminal and is shown what `support/shown.py` has recorded; what a terminal emulator then has on
its screen becomes an SVG.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import groupby, pairwise
from pathlib import Path
from threading import Thread

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.style import Style
from rich.text import Text

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

# ruff: noqa: E402 - after the path above
from support.engine import STREAMLAKE
from support.screen import Screen
from support.shown import at_night

from streamlake.engine.state_json import state_to_json

PICTURES = ("top.svg", "top-64-partitions.svg", "live-table.svg")
LIVE = TESTS / "screens" / "live.py"
COLUMNS = 119
"""So wide that no word of a log line is broken in two where the line is: a terminal breaks them anywhere."""
PORT = 9464


def draw(folder: Path, port: int = 0) -> None:
    """Write PICTURES into `folder`; the engine listens on `port`, 0 being any."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, partitions, columns, lines, last in (
        ("top.svg", 8, COLUMNS, 42, "`streamlake dead stats PIPELINE.yaml`"),
        ("top-64-partitions.svg", 64, 80, 30, "status --all` has them"),
    ):
        with saying(partitions, port) as url, Screen([STREAMLAKE, "top", "--url", url], columns, lines) as screen:
            screen.wait_for(last)
            (folder / name).write_text(picture(screen, f"streamlake top --url {url}"))
            screen.press("q")
            screen.end()
    with Screen([sys.executable, str(LIVE)], COLUMNS, 60) as screen:
        screen.end()
        _check_words(screen)
        (folder / "live-table.svg").write_text(picture(screen, "streamlake run orders.yaml"))


@contextmanager
def saying(partitions: int, port: int) -> Iterator[str]:
    """Serve a recorded /status; its address. The clock in it is that of the record."""
    state = at_night(partitions)
    document = {**state_to_json(state), "said_at": state.said_at}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", port), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def picture(screen: Screen, title: str) -> str:
    """What is on the screen down to its last line, with its colours, as an SVG that asks nobody for fonts."""
    columns, lines = screen.size[0], 1 + max(row for row, line in enumerate(screen.lines) if line)
    with Path("/dev/null").open("w") as nowhere:
        console = Console(width=columns, height=lines, record=True, force_terminal=True, file=nowhere)
        for row in range(lines):
            cells = (screen.buffer[row][column] for column in range(columns))
            alike = groupby(cells, key=lambda cell: (cell.fg, cell.bg, cell.bold, cell.reverse))
            text = Text.assemble(*(("".join(cell.data for cell in run), _style(*look)) for look, run in alike))
            console.print(text, soft_wrap=True)
        without_fonts = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        return console.export_svg(title=title, code_format=without_fonts, unique_id="screen")


def _check_words(screen: Screen) -> None:
    """Fail where the edge goes through a word of a log line: then the picture needs another width."""
    for line, following in pairwise(screen.lines):
        if following.startswith("orders live-1:"):
            return
        whole = len(line) < screen.size[0] or following.startswith(" ")
        assert whole, f"broken in two, choose other COLUMNS: {line[-20:]}|{following[:20]}"
    raise AssertionError(f"no table below log lines:\n{screen.text}")


def _style(front: str, back: str, bold: bool, reverse: bool) -> Style:
    """From the emulator's names for colours, which are those of the first terminals."""
    colours = {"default": None, "brown": "yellow"}
    return Style(color=colours.get(front, front), bgcolor=colours.get(back, back), bold=bold, reverse=reverse)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    draw(parser.parse_args().folder, PORT)
