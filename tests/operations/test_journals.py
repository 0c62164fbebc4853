"""Journals over a sink's notes: numbered, each written once, whole, by one of many."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamlake.engine.errors import ConfigError, LedgerDamagedError
from streamlake.engine.operations.journals import Journals
from streamlake.plugins.sinks.file.sink import FileSink


@pytest.fixture(params=["file", "memory"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> FileSink:
    root = tmp_path.as_uri() if request.param == "file" else f"memory://{tmp_path.name}-journals"
    return FileSink.from_options({"root": root}, base_dir=tmp_path)


def journals_of(sink: FileSink, folder: str = "_redrives") -> Journals:
    """As another process has them."""
    return Journals(sink.notes(), folder)


def test_notes_come_back_in_their_order_and_a_journal_is_there_from_its_first_on(sink: FileSink) -> None:
    journals = journals_of(sink)
    assert (journals.names(), journals.read("one")) == ([], [])
    assert journals.write("one", 0, b"a")
    assert journals.write("one", 1, b"b")
    assert journals.write("another", 0, b"c")
    anew = journals_of(sink)
    assert (anew.names(), anew.read("one"), anew.read("another")) == (["another", "one"], [b"a", b"b"], [b"c"])
    assert journals_of(sink, "_others").names() == []


def test_a_folder_without_a_first_note_is_no_journal(sink: FileSink) -> None:
    sink.notes().write("_redrives/one/other", b"")
    assert (journals_of(sink).names(), journals_of(sink).read("one")) == ([], [])


def test_a_note_is_never_written_over_and_the_same_one_again_is_ours(sink: FileSink) -> None:
    journals = journals_of(sink)
    assert journals.write("one", 0, b"ours")
    assert not journals.write("one", 0, b"theirs")
    assert journals.write("one", 0, b"ours")
    assert journals.read("one") == [b"ours"]


def test_of_many_that_write_one_number_at_once_exactly_one_wins(sink: FileSink) -> None:
    with ThreadPoolExecutor(8) as many:
        won = list(many.map(lambda writer: journals_of(sink).write("one", 0, b"%d" % writer), range(16)))
    assert sum(won) == 1
    assert journals_of(sink).read("one") == [b"%d" % won.index(True)]


def test_a_note_that_is_missing_between_others_is_said(sink: FileSink) -> None:
    journals = journals_of(sink)
    for number in range(3):
        journals.write("one", number, b"%d" % number)
    sink._backend.delete("_redrives/one/000000000001.json")
    with pytest.raises(LedgerDamagedError, match=r"_redrives/one/000000000001\.json is missing"):
        journals.read("one")


@pytest.mark.parametrize("name", ["../x", "", ".hidden"])
def test_a_name_that_leads_elsewhere_is_refused(sink: FileSink, name: str) -> None:
    with pytest.raises(ConfigError, match="can't name a note"):
        journals_of(sink).write(name, 0, b"")
