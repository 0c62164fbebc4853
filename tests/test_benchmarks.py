"""What the benchmarks say is true of what they measured: the check of what landed, the chart, the document's tables."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports a program of the benchmarks by name, which finds its neighbours as when it runs."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.syspath_prepend(str(BENCHMARKS / "peers"))
    monkeypatch.syspath_prepend(str(BENCHMARKS / "edge"))
    yield import_module
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("landed", "finding"),
    [
        ([b'{"a":1,"price":5}', b'{"a":2}'], "each once"),
        ([b'{"price": 5.0, "a": 1}', b'{"_value":{"a":2}}'], "each once"),
        ([b'{"a":1,"price":5}'], "1 missing"),
        ([b'{"a":1,"price":5}', b'{"a":2}', b'{"a":2}'], "1 twice"),
        ([b'{"a":1,"price":5.5}', b'{"a":2}'], "1 missing, 1 garbled"),
        ([b'{"a":1,"price":5}', b'{"a":2}', b"nonsense"], "1 broken ones accepted"),
        ([b'{"a":1,"price":5}', b'{"a":2}', b"nonsens\xef\xbf\xbd"], "1 garbled"),
    ],
)
def test_what_a_contender_landed_is_told(program: Any, landed: list[bytes], finding: str) -> None:
    expected = program("landed").Expected()
    for payload in (b'{"a":1,"price":5}', b'{"a":2}'):
        expected.add(payload, right=True)
    expected.add(b"nonsense", right=False)
    assert expected.of(landed).words(lands_everything=False) == finding


def test_the_chart_is_drawn_for_light_and_for_dark_pages(program: Any) -> None:
    pictures = program("chart").bars([("a < b", 2.0, "once", True), ("c", 40.0, "twice", False)], "costs")
    assert sorted(pictures) == ["dark", "light"]
    for picture in pictures.values():
        texts = [part.text for part in ET.fromstring(picture).iter() if part.text]
        assert texts.index("a < b") < texts.index("c"), "the cheapest comes first"


def test_the_documents_tables_are_what_was_measured(program: Any) -> None:
    assert program("tables").main(check=True) == 0, "run: python benchmarks/tables.py"
