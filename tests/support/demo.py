"""The demo as `make demo` runs it: what it says, and that it leaves nothing behind."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from streamlake.engine.local.demo.settings import REPORT

COMMAND = [sys.executable, "-m", "streamlake.engine.local.demo"]

LOSES_A_FILE = """\
import os, subprocess, sys
command = [{streamlake!r}, *sys.argv[1:]]
if sys.argv[1:][:len({verb!r})] != {verb!r}:
    os.execv(command[0], command)  # the same process, for whoever kills it
import fsspec
code = subprocess.call(command)
lake = fsspec.filesystem({sink!r}, **{options!r})
lake.rm(lake.find({raw!r})[0])
sys.exit(code)
"""


def told(clone: Path, **settings: str) -> str:
    """What a demo said that has told its story to the end, with every count in agreement and nothing left running."""
    environment = {**os.environ, **settings}
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "WRONG" not in done.stdout
    assert "\x1b" not in done.stdout, "a pipe gets plain text"
    assert set(clone.iterdir()) == {clone / "config", clone / ".demo", clone / REPORT}
    assert list(processes_of(clone)) == []
    return done.stdout


def loses_a_file(folder: Path, *verb: str, raw: str, sink: str, options: Mapping[str, str]) -> Sequence[str]:
    """The command of a `streamlake` after whose `verb` one of the landed files is gone."""
    streamlake = str(Path(sys.executable).with_name("streamlake"))
    path = folder / "loses.py"
    path.write_text(
        LOSES_A_FILE.format(streamlake=streamlake, verb=list(verb), sink=sink, options=dict(options), raw=raw)
    )
    return [sys.executable, str(path)]


def processes_of(clone: Path) -> Iterator[psutil.Process]:
    """Other processes that have the clone's `.demo` on their command line, or work in the clone."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        named = any(str(clone / ".demo") in part for part in process.info["cmdline"] or ())
        if named or (process.info["cwd"] == str(clone) and process.pid != os.getpid()):
            yield process
