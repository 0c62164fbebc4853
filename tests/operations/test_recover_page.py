"""The blocks of docs/operations/recover.md, run as they stand there: in order, in one folder, on a real Kafka."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from support.pages import Page
from support.shared import SharedKafka
from support.source import ROOT

PAGE = ROOT / "docs" / "operations" / "recover.md"
TOPIC = "shop-orders"
REFUSED = set(range(8, 41, 8))


def test_what_was_deleted_by_hand_is_recovered_by_following_the_page(tmp_path: Path, kafka: SharedKafka) -> None:
    seen: list[tuple[Sequence[int], Sequence[int]]] = []

    def look(command: str, said: str) -> None:
        if command.rstrip().endswith("streamlake prove shop.yaml --kafka"):
            assert "shop: proven: " in said
            seen.append((orders_in(tmp_path / "lake/raw"), orders_in(tmp_path / "lake/dead")))

    page = Page(PAGE, [TOPIC])
    page.follow(tmp_path, kafka.bootstrap_servers, after=look)
    assert len(seen) == 6
    *recovered, (accepted, refused) = seen
    whole = [number for number in range(1, 41) if number not in REFUSED], sorted(REFUSED)
    assert recovered == [whole] * 5, "each order where it was, once, after each accident"
    assert len(accepted) + len(refused) == 33, "seven were given up"
    assert "+ 7 given up" in page.said


def orders_in(folder: Path) -> Sequence[int]:
    """The numbers of the orders in all files of a folder, ascending."""
    lines = [line for file in folder.rglob("*.jsonl") for line in file.read_text().splitlines()]
    return sorted(int(re.findall(r'\\?"order\\?": (\d+)', json.dumps(json.loads(line)["value"]))[0]) for line in lines)


def test_every_block_is_a_command_a_file_or_an_answer() -> None:
    Page(PAGE).check_blocks("yaml", "json", "python", "sh")
