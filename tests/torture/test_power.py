"""Which names a power cut may take: only those that nobody can rely on."""

from pathlib import Path

import pytest
from torture.power import in_danger

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
    journal.write_text("".join(f"{line}\n" for line in lines))
    assert in_danger(journal) == [Path(name) for name in names]
