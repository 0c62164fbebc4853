"""docs/acceptance.md: each row's command is there, quick ones say what the row says they say, and each place exists.

Commands of pages are not run again: the page's own test runs them and compares what it shows, so a row has to stand on
such a page with that answer. Tests that a row names run with all others; here they have to exist, as many as it says.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from handbook.followed import FOLLOWED
from support.engine import STREAMLAKE
from support.pages import blocks
from support.source import ROOT

PAGE = (ROOT / "docs/acceptance.md").read_text()
SECTIONS = [*(str(number) for number in range(1, 11)), "Exit criteria", "Used by"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PYTEST = ".venv/bin/python -m pytest "
QUICK = {
    "streamlake explain SL0403": [STREAMLAKE, "explain", "SL0403"],
    "streamlake plugins": [STREAMLAKE, "plugins"],
    "make help": ["make", "help"],
}
"""Commands that need no Kafka and take a moment: run here."""


@dataclass(frozen=True)
class Row:
    """A row: what was asked, the command, the beginning of a line that it said last, and where the code is."""

    asked: str
    command: str
    said: str
    where: str


def rows(text: str) -> Iterator[Row]:
    """All rows of the page's tables."""
    for line in re.findall(r"^\| .* \|$", text, re.MULTILINE):
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == len(Row.__annotations__) and cells[1].startswith("`"):
            asked, command, said, where = cells
            yield Row(asked, command.strip("`"), said.strip("`"), where)


def wrong(row: Row) -> str:
    """What is not so in a row; "" where all is."""
    if "](" not in row.where:
        return f"{row.asked}: where is its code?"
    if row.command in QUICK:
        done = subprocess.run(QUICK[row.command], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
        return "" if _begins(row.said, done.stdout) else f"{row.command} says {done.stdout!r}, not {row.said!r}"
    if row.command.startswith(PYTEST):
        return _no_such_test(row.command.removeprefix(PYTEST))
    if row.command.startswith("make "):
        return "" if row.command.split()[1] in TARGETS else f"{row.command}: there is no such target"
    return _not_on_a_page(row)


def _no_such_test(asked: str) -> str:
    path, _, name = asked.partition("::")
    if not (ROOT / path).exists():
        return f"{path} is not there"
    return "" if not name or f"def {name}(" in (ROOT / path).read_text() else f"{path} has no test {name}"


def _not_on_a_page(row: Row) -> str:
    pages = [page for page in FOLLOWED if _runs(page, row.command)]
    if not pages:
        return f"{row.command}: no page that a test follows has it"
    shown = [block.text for page in pages for block in blocks((ROOT / page).read_text()) if block.language == "text"]
    if not any(_begins(row.said, text) for text in shown):
        return f"{row.command}: {', '.join(pages)} shows no line that begins with {row.said!r}"
    return ""


def _runs(page: str, command: str) -> bool:
    """Whether a line of a block that is run on the page is this command, or begins with it and goes on."""
    scripts = [block.text for block in blocks((ROOT / page).read_text()) if block.language == "sh" and not block.mark]
    return any(f"{line} ".startswith(f"{command} ") for script in scripts for line in script.splitlines())


def _begins(said: str, text: str) -> bool:
    """Whether a line of the text begins so, however wide its columns are."""
    wanted = " ".join(said.split())
    return bool(wanted) and any(" ".join(line.split()).startswith(wanted) for line in text.splitlines())


@pytest.mark.parametrize("row", list(rows(PAGE)), ids=lambda row: row.asked[:50])
def test_what_a_row_says_is_so(row: Row) -> None:
    assert wrong(row) == ""
    assert row.said


@pytest.mark.parametrize(
    ("command", "said", "where", "says"),
    [
        ("make dance", "done", "[a](b)", "there is no such target"),
        (f"{PYTEST}tests/test_nowhere.py", "1 passed", "[a](b)", "is not there"),
        (f"{PYTEST}tests/test_style.py::test_nothing", "1 passed", "[a](b)", "has no test test_nothing"),
        ("streamlake dance orders.yaml", "done", "[a](b)", "no page that a test follows has it"),
        ("streamlake topics diff orders.yaml", "one difference", "[a](b)", "shows no line that begins with"),
        ("streamlake plugins", "another", "[a](b)", "not 'another'"),
        ("make test", "all passed", "nowhere", "where is its code?"),
    ],
)
def test_a_row_that_is_not_so_is_seen(command: str, said: str, where: str, says: str) -> None:
    assert says in wrong(Row("asked", command, said, where))


def test_a_row_says_how_many_tests_pass() -> None:
    said = {row.command.removeprefix(PYTEST): row.said for row in rows(PAGE) if row.command.startswith(PYTEST)}
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", *said]
    listed = subprocess.run(collect, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    tests = listed.stdout.splitlines()
    there = {path: sum(f"{test}[".startswith((f"{path}[", f"{path}::", f"{path}/")) for test in tests) for path in said}
    assert said == {path: f"{count} passed" for path, count in there.items()}


def test_every_quick_command_is_in_a_row() -> None:
    assert set(QUICK) <= {row.command for row in rows(PAGE)}


def test_every_phase_has_rows() -> None:
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    headings = {re.match(r"(\d+|[A-Z][a-z ]+)", part).group(1).strip(): part for part in parts}  # type: ignore[union-attr]
    assert [name for name in SECTIONS if not list(rows(headings.get(name, "")))] == []


def test_every_row_is_read() -> None:
    written = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| asked ")]
    assert len(list(rows(PAGE))) == len(written)


def test_places_that_are_named_exist() -> None:
    for row in rows(PAGE):
        for target in re.findall(r"\]\((?!https:)([^)#]+)", row.where):
            assert (ROOT / "docs" / target).exists(), row
    assert Path(STREAMLAKE).exists()
