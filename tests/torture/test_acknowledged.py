"""An entry that was acknowledged and is not there has to be seen, and nothing in one that is."""

import json
import lzma
from pathlib import Path

import pytest
from sinks.making import ORDERS, batch, claimed, landed
from torture.acknowledged import Acknowledged

from streamlake.plugins.sinks.file import layout

ENTRIES = 1000


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """What the writer of a ledger of two entries was told."""
    landed(claimed(tmp_path), batch([b"1"]))
    entries = [json.loads(slot(tmp_path, seq).read_bytes()) for seq in (0, 1)]
    file = tmp_path / "disk.acknowledged"
    file.write_text(
        "".join(f"live-1 orders {ORDERS.partition} {entry['seq']} {entry['writer']}\n" for entry in entries)
    )
    return file


def slot(lake: Path, seq: int) -> Path:
    return lake / layout.entry_path("live-1", ORDERS, seq)


def folded(lake: Path, lines: list[bytes]) -> None:
    slot(lake, 0).parent.with_name("00000000.jsonl.xz").write_bytes(lzma.compress(b"".join(lines)))


def by_another(entry: bytes) -> bytes:
    return json.dumps({**json.loads(entry), "writer": "another"}).encode() + b"\n"


def test_what_is_there_is_not_missed(tmp_path: Path, told: Path) -> None:
    acknowledged = Acknowledged(told, tmp_path, ENTRIES)
    assert acknowledged.look() == acknowledged.look(thoroughly=True) == 2
    folded(tmp_path, [slot(tmp_path, seq).read_bytes() for seq in (0, 1)])
    slot(tmp_path, 0).unlink()
    slot(tmp_path, 1).unlink()
    acknowledged.look(thoroughly=True)
    assert acknowledged.faults == []


def test_what_is_gone_is_missed_and_once_is_enough(tmp_path: Path, told: Path) -> None:
    acknowledged = Acknowledged(told, tmp_path, ENTRIES)
    acknowledged.look()
    slot(tmp_path, 1).unlink()
    acknowledged.look()
    assert acknowledged.faults == []  # it was there when it was looked for
    acknowledged.look(thoroughly=True)
    (fault,) = acknowledged.faults
    assert fault.startswith("acknowledged: ledger entry 1 of orders/3 in run live-1 to writer ")
    assert fault.endswith(", and nobody's is there")


def test_another_writers_entry_is_not_the_one(tmp_path: Path, told: Path) -> None:
    slot(tmp_path, 1).write_bytes(by_another(slot(tmp_path, 1).read_bytes()))
    acknowledged = Acknowledged(told, tmp_path, ENTRIES)
    acknowledged.look()
    assert acknowledged.faults[0].endswith(", and another's is there")


def test_of_a_slot_that_was_folded_and_taken_again_the_segment_counts(tmp_path: Path, told: Path) -> None:
    first, second = (slot(tmp_path, seq).read_bytes() for seq in (0, 1))
    folded(tmp_path, [first, by_another(second)])
    acknowledged = Acknowledged(told, tmp_path, ENTRIES)
    acknowledged.look()
    (fault,) = acknowledged.faults
    assert fault.startswith("acknowledged: ledger entry 1 ")
    assert fault.endswith(", and another's is there")
