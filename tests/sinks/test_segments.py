"""Old entries are folded into segments: nothing of them is lost, whoever reads, dies or wakes up late meanwhile."""

import lzma
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sinks.making import IDENTITY, ORDERS, batch, claimed, files, job, landed, options, partition, staged
from structlog.testing import capture_logs

from streamlake.engine.entries import Entry
from streamlake.engine.errors import FencedError, LedgerDamagedError, StorageError
from streamlake.engine.operations.prove import prove
from streamlake.plugins.sinks.file import layout, ledger
from streamlake.plugins.sinks.file.backends.local import LocalBackend
from streamlake.plugins.sinks.file.ledger import PartitionLedger
from streamlake.plugins.sinks.file.partition import FilePartitionSink
from streamlake.plugins.sinks.file.reader import FileLedger
from streamlake.plugins.sinks.file.runs import register
from streamlake.plugins.sinks.file.segments import unpacked

PER_FOLDER = 5
FOLDER = "_ledger/live-1/orders/00003"
SEGMENT = f"{FOLDER}/00000000.jsonl.xz"


@pytest.fixture(autouse=True)
def _small_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "ENTRIES_PER_FOLDER", PER_FOLDER)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A root with its run file."""
    register(LocalBackend(tmp_path), IDENTITY)
    return tmp_path


def land(sink: FilePartitionSink, entries: int) -> None:
    """Land some offsets, an entry each."""
    for _ in range(entries):
        landed(sink, batch([b"1"], sink.head().next))


def entries_of(root: Path, first_seq: int = 0) -> list[Entry]:
    return list(PartitionLedger(LocalBackend(root), "live-1", ORDERS).entries(first_seq))


def holds(root: Path) -> bool:
    proof = prove(FileLedger(LocalBackend(root)))
    assert proof.holds, proof.defects
    return proof.holds


def kept(root: Path) -> dict[str, bytes]:
    """The slots of the ledger, by their names."""
    return {path.name: path.read_bytes() for path in (root / FOLDER).rglob("*.json")}


def test_what_is_old_is_folded_and_reads_as_before(lake: Path) -> None:
    sink = claimed(lake, start=5)
    land(sink, 2 * PER_FOLDER - 1)
    slots, before = kept(lake), entries_of(lake)
    assert not (lake / SEGMENT).exists(), "the newest two folders stay as they are"
    land(sink, 1)
    assert lzma.decompress((lake / SEGMENT).read_bytes()) == b"".join(slots[f"{seq:012d}.json"] for seq in range(5))
    assert not (lake / FOLDER / "00000000").exists()
    assert entries_of(lake)[:-1] == before
    assert entries_of(lake, 3)[:7] == before[3:]
    assert sink.head().seq == 2 * PER_FOLDER
    assert holds(lake)


def test_a_new_owner_goes_on_behind_segments_and_folds_what_is_due(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as unfolded:
        unfolded.setattr(PartitionLedger, "fold", lambda *_, **__: None)
        land(claimed(lake, start=5), 4 * PER_FOLDER)
    sink = claimed(lake)
    assert [name for name in files(lake, FOLDER) if name.endswith(".xz")] == [SEGMENT], "one at a time"
    land(sink, PER_FOLDER)
    assert sum(name.endswith(".xz") for name in files(lake, FOLDER)) == 4
    assert [entry.seq for entry in entries_of(lake)] == list(range(5 * PER_FOLDER + 2))
    assert holds(lake)


@pytest.mark.parametrize("left", range(PER_FOLDER + 1))
def test_who_dies_while_folding_loses_nothing_and_the_next_owner_finishes(lake: Path, left: int) -> None:
    sink = claimed(lake, start=5)
    land(sink, 2 * PER_FOLDER - 1)
    slots = kept(lake)
    land(sink, 1)
    for name in sorted(slots)[:left]:
        (lake / FOLDER / "00000000").mkdir(exist_ok=True)
        (lake / FOLDER / "00000000" / name).write_bytes(slots[name])
    assert len(entries_of(lake)) == 2 * PER_FOLDER + 1
    assert holds(lake)
    claimed(lake)
    assert not (lake / FOLDER / "00000000").exists()
    assert holds(lake)


def test_a_zombie_that_finds_its_slot_empty_again_is_fenced(lake: Path) -> None:
    zombie = claimed(lake, start=5)
    late = staged(zombie, batch([b"late"], 5))
    land(claimed(lake), 3 * PER_FOLDER)
    assert "000000000001.json" not in kept(lake), "the slot that the zombie expects is folded"
    with pytest.raises(FencedError, match="another writer has taken ledger entry 1 "):
        zombie.commit(late)
    assert "000000000001.json" in kept(lake), "it could put its entry there all the same"
    assert len(entries_of(lake)) == 3 * PER_FOLDER + 2
    assert holds(lake)
    claimed(lake)
    assert "000000000001.json" not in kept(lake), "rubbish in a folded slot goes with the next claim"


def test_an_append_that_was_folded_before_it_was_answered_is_done(lake: Path) -> None:
    ledger = PartitionLedger(LocalBackend(lake), "live-1", ORDERS)
    land(claimed(lake, start=5), 3 * PER_FOLDER)
    assert "000000000002.json" not in kept(lake)
    done = ledger.append(entries_of(lake)[2], lambda _: None)
    assert done == entries_of(lake)[2]
    assert holds(lake)


def test_a_reader_meets_a_folder_that_is_folded_under_its_hands(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = claimed(lake, start=5)
    land(sink, PER_FOLDER - 1)
    real = LocalBackend.list
    met: list[str] = []

    def listing(backend: LocalBackend, folder: str) -> list[str]:
        names = real(backend, folder)
        if folder.endswith("00003/00000000") and not met:
            met.append(folder)  # as another process would, between the listing and the reading
            land(sink, 2 * PER_FOLDER)
            (lake / FOLDER / "00000000").mkdir()
            (lake / FOLDER / "00000000/000000000003.json").write_text("a zombie's")
        return names

    monkeypatch.setattr(LocalBackend, "list", listing)
    assert [entry.seq for entry in entries_of(lake)] == list(range(PER_FOLDER))
    assert met
    assert len(entries_of(lake)) == 3 * PER_FOLDER


def test_a_reader_whose_newest_folder_is_folded_while_it_looks_looks_again(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = claimed(lake, start=5)
    land(sink, 3 * PER_FOLDER)
    real = LocalBackend.list
    met: list[str] = []

    def listing(backend: LocalBackend, folder: str) -> list[str]:
        if folder.endswith("00003/00000003") and not met:
            met.append(folder)
            land(sink, 2 * PER_FOLDER)
        return real(backend, folder)

    monkeypatch.setattr(LocalBackend, "list", listing)
    assert entries_of(lake)[-1].seq == 5 * PER_FOLDER
    assert met


def test_a_damaged_entry_is_not_folded_and_new_records_land(lake: Path) -> None:
    sink = claimed(lake, start=5)
    land(sink, PER_FOLDER)
    slot = lake / FOLDER / "00000000/000000000002.json"
    slot.write_bytes(slot.read_bytes().replace(b'"epoch":1', b'"epoch":7'))
    with capture_logs() as logs:
        for offset in range(10, 10 + PER_FOLDER):
            landed(sink, batch([b"1"], offset))
    (said,) = logs
    assert (said["event"], said["partition"]) == ("old ledger entries are not folded", "orders/3")
    assert "000000000002.json is not what" in said["why"]
    assert (lake / FOLDER / "00000000/000000000004.json").exists()
    assert not (lake / SEGMENT).exists()


@pytest.mark.parametrize("altered", [0, PER_FOLDER - 1])
def test_entries_at_the_edge_of_a_folder_are_held_against_their_neighbours(lake: Path, altered: int) -> None:
    sink = claimed(lake, start=5)
    land(sink, 2 * PER_FOLDER - 1)
    slot = lake / FOLDER / f"00000000/{altered:012d}.json"
    slot.write_bytes(slot.read_bytes().replace(b'"committed_at":"2026', b'"committed_at":"2025'))
    landed(sink, batch([b"1"], 5 + 2 * PER_FOLDER - 1))
    assert slot.exists(), "nothing of a damaged folder is dropped"
    assert not (lake / SEGMENT).exists()


@pytest.mark.parametrize("call", ["read", "delete", "list", "sync"])
def test_old_slots_that_can_not_be_touched_stop_nobody(lake: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    sink = claimed(lake, start=5)
    land(sink, 2 * PER_FOLDER - 1)
    real = getattr(LocalBackend, call)

    def refusing(backend: LocalBackend, path: str) -> object:
        if "/00000000" in path.removeprefix(FOLDER):
            raise StorageError(f"can't {call} {path}: Operation not permitted")
        return real(backend, path)

    with monkeypatch.context() as refused, capture_logs() as logs:
        refused.setattr(LocalBackend, call, refusing)
        for offset in range(5 + 2 * PER_FOLDER - 1, 5 + 4 * PER_FOLDER):
            landed(sink, batch([b"1"], offset))
    assert logs[0]["event"] == "old ledger entries are not folded"
    assert logs[0]["why"].startswith(f"can't {call} ")
    assert holds(lake)


def test_a_folder_of_very_long_entries_stays_as_it_is(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "SEGMENT_BYTES_MAX", 4_000)
    land(claimed(lake, start=5), 3 * PER_FOLDER)
    assert not [name for name in files(lake, FOLDER) if name.endswith(".xz")]
    monkeypatch.setattr(ledger, "SEGMENT_BYTES_MAX", 4_000_000)
    land(claimed(lake), PER_FOLDER)
    assert (lake / SEGMENT).exists()
    assert holds(lake)


def test_a_listing_from_before_the_first_segment_is_not_an_empty_ledger(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = claimed(lake, start=5)
    land(sink, PER_FOLDER)
    real = LocalBackend.list
    met: list[str] = []

    def listing(backend: LocalBackend, folder: str) -> list[str]:
        names = real(backend, folder)
        if folder == FOLDER and not met:
            met.append(folder)
            land(sink, 4 * PER_FOLDER)
        return names

    monkeypatch.setattr(LocalBackend, "list", listing)
    assert partition(lake).head().seq == 5 * PER_FOLDER
    assert met


def test_a_claim_on_a_head_that_was_folded_meanwhile_looks_again(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, late = claimed(lake, start=5), partition(lake)
    head = late.head()
    met: list[str] = []

    def reached(name: str) -> None:
        if name == "before_entry_link" and not met:
            met.append(name)
            land(owner, 3 * PER_FOLDER)

    monkeypatch.setattr("streamlake.plugins.sinks.file.backends.local.failpoint", reached)
    assert late.claim(head).next == 5 + 3 * PER_FOLDER
    with pytest.raises(FencedError):
        landed(owner, batch([b"1"], 5 + 3 * PER_FOLDER))
    claimed(lake)
    assert holds(lake)


@pytest.fixture
def segment(lake: Path) -> Path:
    """The one segment of a ledger."""
    land(claimed(lake, start=5), 2 * PER_FOLDER)
    return lake / SEGMENT


def defects(root: Path) -> list[tuple[str, str | None]]:
    return [(defect.kind, defect.path) for defect in prove(FileLedger(LocalBackend(root)), quick=True).defects]


def bits(whole: bytes) -> Iterator[bytes]:
    for at in range(8 * len(whole)):
        data = bytearray(whole)
        data[at // 8] ^= 1 << at % 8
        yield bytes(data)


def test_not_one_bit_of_a_segment_can_change_unnoticed(lake: Path, segment: Path) -> None:
    whole = segment.read_bytes()
    for number, data in enumerate(bits(whole)):
        with pytest.raises(LedgerDamagedError, match=SEGMENT):
            unpacked(data, SEGMENT)
        if number % 500 == 0:
            segment.write_bytes(data)
            assert ("ledger", SEGMENT) in defects(lake)
    segment.write_bytes(whole)
    assert defects(lake) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[1:],
        lambda lines: [*lines[:2], *lines[3:]],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [lines[0], *lines[:4]],
        lambda lines: [*lines[:2], lines[2].replace(b'"epoch":1', b'"epoch":2'), *lines[3:]],
        lambda lines: [*lines[:4], lines[4].replace(b'"epoch":1', b'"epoch":2')],
        lambda lines: lines[:0],
    ],
)
def test_a_segment_that_was_packed_again_with_other_lines_is_told(
    lake: Path, segment: Path, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    lines = lzma.decompress(segment.read_bytes()).splitlines(keepends=True)
    segment.write_bytes(lzma.compress(b"".join(change(lines))))
    assert ("ledger", SEGMENT) in defects(lake)


def test_a_segment_that_was_cut_or_got_more_behind_it_is_told(lake: Path, segment: Path) -> None:
    whole = segment.read_bytes()
    for data in (b"", whole[:-1], whole[: len(whole) // 2], whole + b"\0\0\0\0", whole + whole):
        segment.write_bytes(data)
        assert ("ledger", SEGMENT) in defects(lake)
        with pytest.raises(LedgerDamagedError, match=SEGMENT):
            entries_of(lake)


def test_a_segment_that_is_gone_is_told_and_refuses_to_start(lake: Path, segment: Path) -> None:
    segment.unlink()
    assert defects(lake)[0][0] == "ledger"
    with pytest.raises(LedgerDamagedError, match=r"00000000/000000000000.json is missing, and later entries"):
        partition(lake).head()


def test_all_that_follows_a_segment_being_gone_is_told(lake: Path, segment: Path) -> None:
    assert segment.exists()
    for path in (lake / FOLDER).rglob("*.json"):
        path.unlink()
    with pytest.raises(LedgerDamagedError, match=r"000000000005.json and all after it are missing"):
        partition(lake).head()
    assert defects(lake)[0][0] == "ledger"


class Counting(LocalBackend):
    """A disk that counts the questions it is asked, and is not synced: the ledgers of this test are long."""

    asked = 0

    def read(self, path: str) -> bytes | None:
        """Count."""
        self.asked += 1
        return super().read(path)

    def list(self, folder: str) -> list[str]:
        """Count."""
        self.asked += 1
        return super().list(folder)


def test_a_long_ledger_is_not_asked_more_than_a_short_one(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    sink = claimed(lake, start=5)
    asked: list[int] = []
    for _ in range(3):
        land(sink, 40 * PER_FOLDER)
        backend = Counting(lake)
        FilePartitionSink(backend, job(), options()).head()
        asked.append(backend.asked)
    assert max(asked) < 2 * ledger.TAIL_CHECKED
    assert max(asked) - min(asked) <= 2, "where in a folder the head stands may make a difference, its age may not"
