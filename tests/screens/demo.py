"""`make screenshots`: the pictures of the demo in docs, of its terminal and of its report; it is run for them."""

import argparse
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

# ruff: noqa: E402 - after the path above
from screens.run import picture as picture_of_terminal
from support.chromium import find_chromium, picture
from support.screen import Screen

from streamlake.engine.local.demo.screen import WIDTH
from streamlake.engine.local.demo.settings import REPORT

DESKTOP, PHONE = (1000, 1400), (390, 1100)
PICTURES = (
    "demo-terminal.svg",
    "demo-report.png",
    "demo-report-failures-dark.png",
    "demo-report-phone.png",
    "demo-report-records.png",
)
TERMINAL_LINES = 2000
"""More than the demo says: nothing scrolls away."""
DEMO_SECONDS_MAX = 900.0
COLUMNS = WIDTH + 16  # for commands, which are not wrapped
STEPS = (". Land them as Parquet", ". The way of the records, counted", ". The account")
"""Of the first story: what the picture of the terminal shows."""


def tell() -> str:
    """Run the demo on a terminal; the picture of some of what it says."""
    command = [sys.executable, "-m", "streamlake.engine.local.demo"]
    with Screen(command, COLUMNS, TERMINAL_LINES) as screen:
        code = screen.end(DEMO_SECONDS_MAX)
        assert code == 0, screen.text
        lines = screen.lines
        shown: list[int] = []
        for step in STEPS:
            first = next(row for row, line in enumerate(lines) if step in line)
            shown += range(first, 1 + lines.index("", first))  # with the empty line below it
        return picture_of_terminal(screen, "make demo", shown[:-1])


def draw(page: str, folder: Path) -> None:
    """Write the pictures of a report into `folder`."""
    top, dark, phone, records = (folder / name for name in PICTURES[1:])
    picture(page, top, DESKTOP, "h1")
    picture(page, dark, DESKTOP, "#failures h3:nth-of-type(3)", dark=True)
    picture(page, phone, PHONE, "#failures figure")
    picture(page, records, DESKTOP, "#landing h3:nth-of-type(5)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    if find_chromium() is None:
        sys.exit("no Chromium here (chromium, chromium-browser or google-chrome): the demo's pictures need one")
    images = parser.parse_args().folder
    images.mkdir(parents=True, exist_ok=True)
    (images / PICTURES[0]).write_text(tell())
    draw(Path(REPORT).read_text(), images)
