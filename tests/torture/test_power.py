"""Which names a power cut may take: only those that nobody can rely on, and when somebody does all the same."""

from pathlib import Path

import pytest
from torture.power import Danger, is_relied_on
from torture.world import ENTRIES_PER_FOLDER

ENTRY = "/lake/_ledger/live-1/orders/00000/00000000/000000000000.json"
FOLDER = ENTRY.rpartition("/")[0]
SEGMENT = f"{FOLDER}.jsonl.xz"


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ([], []),
        ([f"link {ENTRY}"], [ENTRY]),
        ([f"link {ENTRY}", f"link {ENTRY}"], [ENTRY]),
        ([f"link {ENTRY}", "sync /lake/_ledger/live-1/orders/00000"], [ENTRY]),
        ([f"link {ENTRY}", f"sync {FOLDER}"], []),
        ([f"link {ENTRY}", f"sync {FOLDER}", f"link {ENTRY}"], []),
        ([f"sync {FOLDER}", f"link {ENTRY}"], [ENTRY]),
        ([f"link {ENTRY}", f"link {SEGMENT}", f"sync {FOLDER}"], [SEGMENT]),
        (["link /lake/raw/orders/orders-00000-1-2.live-1.parquet"], []),
    ],
)
def test_a_name_is_in_danger_from_its_link_to_the_next_sync_of_its_folder(
    tmp_path: Path, lines: list[str], names: list[str]
) -> None:
    journal = tmp_path / "disk.journal"
    journal.write_text("")
    danger = Danger(journal)
    for line in lines:  # as it grows, and not only when it is complete
        with journal.open("a") as more:
            more.write(f"{line}\n")
        danger.names()
    assert danger.names() == Danger(journal).names() == [Path(name) for name in names]


def made(ledger: Path, seq: int) -> Path:
    slot = ledger / f"{seq // ENTRIES_PER_FOLDER:08d}" / f"{seq:012d}.json"
    slot.parent.mkdir(parents=True, exist_ok=True)
    slot.touch()
    return slot


def test_an_entry_with_a_successor_is_relied_on(tmp_path: Path) -> None:
    last = ENTRIES_PER_FOLDER - 1  # its successor stands in the next folder
    slot = made(tmp_path, last)
    assert not is_relied_on(slot)
    made(tmp_path, last + 1)
    assert is_relied_on(slot)
    slot.unlink()
    assert not is_relied_on(slot), "a link that failed"


def test_a_segment_whose_slots_are_gone_is_relied_on(tmp_path: Path) -> None:
    slot, segment = made(tmp_path, 0), tmp_path / "00000000.jsonl.xz"
    assert not is_relied_on(segment)
    segment.touch()
    assert not is_relied_on(segment)
    slot.unlink()
    assert is_relied_on(segment)
