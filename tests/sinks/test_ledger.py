"""A damaged ledger refuses to start, with the path and what is wrong; a whole one is read in order."""

import re
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from sinks.making import ORDERS, batch, claimed, landed, partition

from streamlake.engine.errors import LedgerDamagedError
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.local import LocalBackend
from streamlake.plugins.sinks.file.entry import decoded, encoded
from streamlake.plugins.sinks.file.ledger import TAIL_CHECKED, PartitionLedger


def ledger_of(root: Path) -> PartitionLedger:
    return PartitionLedger(LocalBackend(root), "live-1", ORDERS)


def slot(root: Path, seq: int) -> Path:
    return root / layout.entry_path("live-1", ORDERS, seq)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A claim and eight data entries."""
    sink = claimed(tmp_path)
    for offset in range(8):
        landed(sink, batch([b"1"], offset))
    return tmp_path


def changed(field: str, value: object) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        return orjson.dumps({**orjson.loads(data), field: value}, option=orjson.OPT_APPEND_NEWLINE)

    return change


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "emptied": (lambda _data: b"", r"{path} is no ledger entry \(0 bytes, cut short or altered\)"),
    "cut short": (lambda data: data[:200], r"{path} is no ledger entry \(200 bytes, cut short or altered\)"),
    "its line end cut off": (lambda data: data[:-1], "{path} was altered: not as it was written"),
    "other JSON": (lambda _data: b"[1]", "{path} is no ledger entry"),
    "another version": (changed("version", 3), "{path} is of version 3; this StreamLake knows version 2 only"),
    "one row more": (changed("landed", 2), r"{path} was altered: landed \+ refused \+ skipped \+ holes"),
    "its files gone": (changed("files", []), "{path} was altered: the rows of its files"),
    "a new field": (changed("more", 1), "{path} was altered: TypeError"),
    "a word for a number": (changed("landed", "1"), "{path} was altered: TypeError"),
    "an unknown kind": (changed("kind", "data?"), r"{path} was altered: no kind 'data\?'"),
    "another partition": (changed("partition", 4), "{path} holds entry .* of orders/4 in run live-1"),
    "another run": (changed("run", "live-2"), "{path} holds entry .* in run live-2"),
    "spaces added": (lambda data: data.replace(b",", b", "), "{path} was altered: not as it was written"),
}


@pytest.mark.parametrize("seq", [0, 4, 8])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_refuses_to_start(lake: Path, damage: str, seq: int) -> None:
    change, says = DAMAGES[damage]
    path = slot(lake, seq)
    if (damage, seq) in {("one row more", 0), ("its files gone", 0), ("a word for a number", 0)}:
        seq, path = 8, slot(lake, 8)  # a claim has neither rows nor files
    path.write_bytes(change(path.read_bytes()))
    wanted = says.replace("{path}", re.escape(path.relative_to(lake).as_posix()))
    with pytest.raises(LedgerDamagedError, match=wanted):
        partition(lake).head()
    with pytest.raises(LedgerDamagedError, match=wanted):
        list(ledger_of(lake).entries())


@pytest.mark.parametrize("seq", [0, 4, 7])
def test_an_entry_missing_in_the_middle_refuses_to_start(lake: Path, seq: int) -> None:
    slot(lake, seq).unlink()
    with pytest.raises(LedgerDamagedError, match=f"{seq:012d}.json is missing, and later entries"):
        partition(lake).head()
    with pytest.raises(LedgerDamagedError, match=f"{seq:012d}.json is missing"):
        list(ledger_of(lake).entries())


def test_an_entry_missing_further_back_than_hashes_are_checked_is_seen_by_the_listing(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlake.plugins.sinks.file.ledger.TAIL_CHECKED", 2)
    slot(lake, 3).unlink()
    with pytest.raises(LedgerDamagedError, match=r"000000000003.json is missing, and later entries"):
        partition(lake).head()


@pytest.mark.parametrize("seq", [0, 4, 7])
def test_an_entry_that_was_replaced_by_another_whole_one_is_seen_by_its_hash(lake: Path, seq: int) -> None:
    path = slot(lake, seq)
    path.write_bytes(changed("committed_at", "2026-01-01T00:00:00.000+00:00")(path.read_bytes()))
    with pytest.raises(
        LedgerDamagedError, match=f"{seq:012d}.json is not what .*{seq + 1:012d}.json was written after"
    ):
        partition(lake).head()
    with pytest.raises(LedgerDamagedError, match="one of the two was altered"):
        list(ledger_of(lake).entries())
    with pytest.raises(LedgerDamagedError, match="one of the two was altered"):
        list(ledger_of(lake).entries(seq + 1))


def test_an_entry_far_back_is_left_to_the_proof(tmp_path: Path) -> None:
    for _ in range(TAIL_CHECKED + 5):
        sink = claimed(tmp_path)
        landed(sink, batch([b"1"], sink.head().next))
    path = slot(tmp_path, 3)
    path.write_bytes(changed("committed_at", "")(path.read_bytes()))
    assert partition(tmp_path).head().claims == 0
    with pytest.raises(LedgerDamagedError, match="one of the two was altered"):
        list(ledger_of(tmp_path).entries())


def test_entries_are_read_in_order_from_where_one_likes(lake: Path) -> None:
    ledger = ledger_of(lake)
    assert [entry.seq for entry in ledger.entries()] == list(range(9))
    assert [entry.first for entry in ledger.entries(6)] == [5, 6, 7]
    assert list(ledger.entries(9)) == []
    for entry in ledger.entries():
        data = slot(lake, entry.seq).read_bytes()
        assert encoded(entry) == data
        assert decoded(data, "") == entry


def test_a_ledger_goes_on_from_one_folder_into_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "ENTRIES_PER_FOLDER", 3)
    sink = claimed(tmp_path)
    for offset in range(7):
        landed(sink, batch([b"1"], offset))
        assert partition(tmp_path).head().seq == offset + 1
    assert [entry.seq for entry in ledger_of(tmp_path).entries()] == list(range(8))
    (slot(tmp_path, 8).parent.parent / "00000003").mkdir()  # its maker died before the link
    assert partition(tmp_path).head().seq == 7
    for path in (slot(tmp_path, 3), slot(tmp_path, 4), slot(tmp_path, 5)):
        path.unlink()
    slot(tmp_path, 3).parent.rmdir()
    with pytest.raises(LedgerDamagedError, match=r"00000001/000000000003.json is missing"):
        partition(tmp_path).head()


def test_names_that_are_no_entries_are_passed_over(lake: Path) -> None:
    for name in ("000000000009.json.bak", ".nfs0001", "9.json"):
        (slot(lake, 8).parent / name).write_text("")
    (slot(lake, 8).parent.parent / "lost+found").mkdir()
    assert partition(lake).head().seq == 8


def test_a_listing_made_while_entries_were_added_is_no_damage(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = LocalBackend.list

    def without_one(backend: LocalBackend, folder: str) -> list[str]:
        return [name for name in real(backend, folder) if name != "000000000006.json"]

    monkeypatch.setattr(LocalBackend, "list", without_one)
    assert partition(lake).head().seq == 8
