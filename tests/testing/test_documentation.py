"""The examples of docs/testing.md are run as a user copies them, with the README's pipeline."""

import re
import subprocess
import sys
from pathlib import Path

from support.source import ROOT

FILE = re.compile(r"^<!-- file: (?P<name>\S+) -->\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_documented_tests_pass_beside_the_readmes_pipeline(tmp_path: Path) -> None:
    for page in ("README.md", "docs/testing.md"):
        for found in FILE.finditer((ROOT / page).read_text()):
            (tmp_path / found["name"]).write_text(found["text"])
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"payments.py", "payments.yaml", "test_payments.py"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert "4 passed" in done.stdout, done.stdout + done.stderr
