"""What all commands share: output for people and for programs."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

from streamlake.engine.cli.common import print_json, print_table, progress
from streamlake.engine.records import TopicPartition


@dataclass
class Sample:
    source: TopicPartition
    where: Path
    counts: MappingProxyType[str, int]


def test_json_is_one_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([Sample(TopicPartition("ä", 1), Path("x/y"), MappingProxyType({"n": 1}))])
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert json.loads(said) == [{"source": {"topic": "ä", "partition": 1}, "where": "x/y", "counts": {"n": 1}}]


def test_a_table_in_a_pipe_is_plain_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("topic", "lag"), [("orders", 7), ("o", 1234)], right=("lag",))
    assert capsys.readouterr().out.splitlines() == ["topic    lag", "orders     7", "o       1234"]


def test_an_empty_table_is_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("topic", "lag"), [])
    assert capsys.readouterr().out == "topic  lag\n"


def test_a_table_on_a_terminal_shows_square_brackets_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table(("offsets",), [("[red][0, 7)",)])
    assert "[red][0, 7)" in capsys.readouterr().out


def test_progress_in_a_pipe_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("moving", 10) as moved:
        moved(3)
    assert capsys.readouterr() == ("", "")
