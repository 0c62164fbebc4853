"""Tables that fit: what is cut, and what is wrapped because somebody came to read it."""

import sys

import pytest

from streamlake.engine.cli.narrow import narrow_table

HEAD = ("place", "field", "message")
SAID = "/id breaks `type` with a value that is told in some words: it is not of the type integer"


def rows(monkeypatch: pytest.MonkeyPatch, columns: int | None, field: str = "/id", *, whole: bool = True) -> list[str]:
    """The table in a terminal of so many columns, or in a pipe."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: columns is not None)
    monkeypatch.setenv("COLUMNS", str(columns))
    return list(narrow_table([HEAD, ("t/0/7", field, SAID)], (28, 20), whole=whole))


def test_in_a_pipe_a_row_is_one_line_with_all_of_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rows(monkeypatch, None) == ["  place  field  message", f"  t/0/7  /id    {SAID}"]


def test_a_wide_terminal_wraps_the_message_in_its_column(monkeypatch: pytest.MonkeyPatch) -> None:
    _, *lines = rows(monkeypatch, 80)
    assert len(lines) > 1
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].startswith("  t/0/7  /id    /id breaks")
    assert [line[:16] for line in lines[1:]] == [" " * 16] * (len(lines) - 1)
    assert " ".join(line[16:] for line in lines) == SAID


def test_a_narrow_terminal_has_the_message_below_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    _, row, *lines = rows(monkeypatch, 50, "/a/long/field")
    assert row == "  t/0/7  /a/long/field"
    assert all(len(line) <= 50 and line.startswith("    ") for line in lines)
    assert " ".join(line.strip() for line in lines) == SAID


def test_what_need_not_be_whole_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (None, 80):
        _, line = rows(monkeypatch, columns, whole=False)
        assert (len(line), line[-1]) == (80, "…")
