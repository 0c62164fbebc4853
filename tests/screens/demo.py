"""`make screenshots`: the pictures of the demo's report in docs, made of a demo that is run for them."""

import argparse
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

# ruff: noqa: E402 - after the path above
from support.chromium import find_chromium, picture

from streamlake.engine.local.demo.settings import REPORT

DESKTOP, PHONE = (1000, 1000), (390, 1000)
PICTURES = ("demo-report.png", "demo-report-failures-dark.png", "demo-report-phone.png")


def draw(page: str, folder: Path) -> None:
    """Write PICTURES of a report into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    top, dark, phone = (folder / name for name in PICTURES)
    picture(page, top, DESKTOP, "h1")
    picture(page, dark, DESKTOP, "#failures h3:nth-of-type(3)", dark=True)
    picture(page, phone, PHONE, "#failures figure")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    if find_chromium() is None:
        sys.exit("no Chromium here (chromium, chromium-browser or google-chrome): the demo's pictures need one")
    subprocess.run([sys.executable, "-m", "streamlake.engine.local.demo"], check=True)
    draw(Path(REPORT).read_text(), parser.parse_args().folder)
