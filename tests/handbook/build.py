"""`make docs`: the site of all pages, into build/site; a warning, a link or an anchor that leads nowhere fails it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

# ruff: noqa: E402 - after the path above
from handbook.stage import stage
from support.source import source_files

ROOT = TESTS.parent
SETTINGS = "zensical.toml"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def build(root: Path, folder: Path) -> str:
    """Build the site of the repository `root` into `folder`/build/site; what was wrong, "" where nothing was."""
    shutil.rmtree(folder / "build" / "pages", ignore_errors=True)
    shutil.rmtree(folder / "build" / "site", ignore_errors=True)
    stage(root, source_files(root), folder / "build" / "pages")
    if folder != root:
        shutil.copyfile(root / SETTINGS, folder / SETTINGS)
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    said = COLOURS.sub("", done.stdout + done.stderr)
    return "" if done.returncode == 0 else said.partition("Traceback")[0]


if __name__ == "__main__":
    if wrong := build(ROOT, ROOT):
        sys.exit(f"{wrong}docs: the site has mistakes, see above")
    sys.stdout.write("docs: the site is in build/site; python -m http.server -d build/site shows it\n")
