"""What makes validation fast changes no answer: a slice of `make alike`, and what it sees without a protection."""

from typing import Any

import pytest
from validators import alike

from streamlake.plugins.validators import pydantic
from streamlake.plugins.validators.decode import Gate
from streamlake.plugins.validators.jsonschema import JsonSchemaValidator

SLICE = 24_000
ENOUGH = 120_000  # payloads within which each of these is seen, with some to spare

PROTECTIONS: dict[str, tuple[Any, str]] = {
    "words that only pydantic takes for numbers": (pydantic, "_may_be_no_number"),
    "what a parser has to be told that passes over values": (Gate, "readable"),
    "the gate before an open decoder makes columns": (JsonSchemaValidator, "_harmless"),
}


def test_fast_and_exact_ways_decide_alike() -> None:
    assert list(alike.differences(alike.ways(), SLICE, seed=1)) == []


@pytest.mark.parametrize("without", PROTECTIONS)
def test_without_a_protection_they_differ(without: str, monkeypatch: pytest.MonkeyPatch) -> None:
    holder, name = PROTECTIONS[without]
    monkeypatch.setattr(holder, name, lambda *_: name != "_may_be_no_number")
    try:
        assert next(alike.differences(alike.ways(), ENOUGH, seed=1), None) is not None
    except ValueError:
        return  # orjson's, at what a fast way said was readable: seen as well
