"""docs/ledger.md names every field of an entry, a file, totals and a run file; its examples can be read."""

import json
import re
from dataclasses import fields

import orjson
from support.pages import blocks
from support.source import ROOT

from streamlake.engine.entries import RunIdentity
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.memory import MemoryBackend
from streamlake.plugins.sinks.file.entry import (
    ENTRY_FIELDS,
    FILE_FIELDS,
    KINDS,
    TOTALS_FIELDS,
    VERSION,
    decoded,
    encoded,
)
from streamlake.plugins.sinks.file.runs import find

PAGE = (ROOT / "docs/ledger.md").read_text()
EXAMPLES = [json.loads(block.text) for block in blocks(PAGE) if block.language == "json"]


def named(title: str) -> list[str]:
    """What the first column of the table below a heading names, in its order."""
    section = re.split(r"^#+ ", PAGE.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


def test_every_field_of_an_entry_is_there_in_its_order() -> None:
    told = [name for name in named("An entry") if name != "cpu_seconds"]
    assert told == [name for name in ENTRY_FIELDS if name != "cpu_seconds"]
    assert "cpu_seconds" in named("An entry")
    assert named("The kinds") == list(KINDS)


def test_every_field_of_a_file_is_there() -> None:
    assert named("A file of an entry") == list(FILE_FIELDS)


def test_every_total_is_there() -> None:
    section = PAGE.partition("### Totals\n")[2].partition("\n## ")[0]
    assert set(TOTALS_FIELDS) <= set(re.findall(r"`(\w+)`", section))


def test_the_example_is_an_entry_that_is_read() -> None:
    entry = decoded(orjson.dumps(EXAMPLES[0], option=orjson.OPT_APPEND_NEWLINE), "the example")
    assert (entry.version, entry.kind) == (VERSION, "data")
    assert json.loads(encoded(entry)) == EXAMPLES[0]
    assert f"The version of an entry is {VERSION}" in PAGE


def test_the_example_of_a_run_file_is_one_and_every_field_is_told() -> None:
    backend = MemoryBackend("ledger-page")
    path = layout.run_path("live-1")
    backend.put_if_absent(path, orjson.dumps(EXAMPLES[1]), stage="_stage")
    assert find(backend, "live-1")
    optional = {field.name for field in fields(RunIdentity)} - set(EXAMPLES[1])
    assert set(named("A run file")) == optional
