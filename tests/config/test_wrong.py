"""Wrong YAML files and the words that each of them gets: `wrong/NN-name.yaml` and `.txt`, read as a new user would.

`NN-name.over.yaml` is laid on it, `NN-name.set` has a `--set` a line. `NN-name.escaped.yaml` is no text: its bytes are
as Python escapes them. `STREAMLAKE_WRITE_GOLDEN=1` writes the `.txt`.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from streamlake.engine.cli.main import streamlake

WRONG = Path(__file__).parent / "wrong"
CASES = sorted(path for path in WRONG.glob("*.yaml") if not path.name.endswith(".over.yaml"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files are named as a user who stands in their folder names them; no variable of this machine is set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    for name in ("KAFKA_SERVERS", "LAKE"):
        monkeypatch.delenv(name, raising=False)
    for beside in (*WRONG.glob("*.py"), *WRONG.glob("*.json")):
        shutil.copy(beside, tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_wrong_file_gets_the_words_that_were_reviewed(case: Path, folder: Path) -> None:
    golden = case.with_suffix(".txt")
    said = _said(case, folder)
    if os.environ.get("STREAMLAKE_WRITE_GOLDEN"):
        golden.write_text(said)
    assert said == golden.read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_every_line_and_column_in_it_is_one_of_the_file(case: Path) -> None:
    """The golden files are reviewed; this finds what a reviewer overlooks: a place where nothing begins."""
    for line in case.with_suffix(".txt").read_text().splitlines():
        found = re.match(r"([^ ]+\.yaml):(\d+):(\d+): ([\w.\[\]-]+)", line)
        if found is None or "not YAML" in line or "not UTF-8" in line:
            continue
        text = (WRONG / found[1]).read_text().splitlines()[int(found[2]) - 1]
        before, begins = text[: int(found[3]) - 1], text[int(found[3]) - 1 :]
        assert begins.lstrip(" ") == begins != "", line
        assert not before or before[-1] in " {[,", line
        if "unknown key" in line:
            assert begins.startswith(f"{found[4].rpartition('.')[2]}:"), line


def test_there_are_at_least_forty_and_no_words_without_a_file() -> None:
    assert len(CASES) >= 40
    assert {path.stem for path in WRONG.glob("*.txt")} == {path.stem for path in CASES}


def _said(case: Path, folder: Path) -> str:
    """What `validate --offline` says of it, without the steps' own lines, in the folder's terms."""
    data = case.read_bytes()
    if case.stem.endswith(".escaped"):
        data = data.decode("unicode_escape").encode("latin-1")
    (folder / case.name).write_bytes(data)
    over, sets = case.with_suffix(".over.yaml"), case.with_suffix(".set")
    words = ["validate", "--offline", case.name]
    if over.exists():
        shutil.copy(over, folder)
        words.append(over.name)
    for override in sets.read_text().splitlines() if sets.exists() else ():
        words += ["--set", override]
    result = CliRunner().invoke(streamlake, words)
    assert result.exit_code == 78, result.output or result.exception
    said = result.output.partition("\nforecast, ")[0].splitlines()
    problems = [line[4:] for line in said if line.startswith("    ")]
    return "".join(f"{problem}\n" for problem in problems).replace(f"{folder}/", "")
