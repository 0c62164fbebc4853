"""The blocks of docs/operations/replay.md, run as they stand there: in order, in one folder, on a real Kafka."""

import json
import re
from pathlib import Path

from support.pages import Page
from support.shared import SharedKafka
from support.source import ROOT

PAGE = ROOT / "docs" / "operations" / "replay.md"
TOPIC = "shop-orders"
VARIES = re.compile(
    r"about [\d.,]+ s at [\d,]+ records/s, as fast as \S+|about [\d.,]+ s of CPU|about [\d,]+ bytes"
    r"|(?<=  )\d,\d{3}(?=  )"
)
"""How fast it was seen to land and where, and the bytes of files, which have the topic's name in them."""


def test_every_command_of_the_page_does_what_it_says(tmp_path: Path, kafka: SharedKafka) -> None:
    page = Page(PAGE, [TOPIC], VARIES)
    page.follow(tmp_path, kafka.bootstrap_servers)
    lines = page.lines
    assert lines.count("4") == 2, "pounds in the replay's files, and in the readers' after the promotion"
    assert page.said.count("proven: 20 offsets = 20 rows + 0 dead letters") == 2, (
        "the replay alone, and what readers see"
    )
    assert "proven beside them: 20 offsets of replays and of what was superseded" in page.said
    assert "compared with Kafka: 40 offsets and 40 values" in page.said
    assert readers_see(tmp_path / "lake" / "raw") == list(range(1, 21))
    assert not (tmp_path / "lake" / "replays" / "parquet").exists(), "it was deleted"


def readers_see(raw: Path) -> list[int]:
    """The numbers of the orders in all files, ascending: each once, if readers see each once."""
    lines = [line for file in raw.rglob("*.jsonl") for line in file.read_text().splitlines()]
    return sorted(json.loads(line)["value"]["order"] for line in lines)


def test_every_block_is_a_command_a_file_or_an_answer() -> None:
    Page(PAGE).check_blocks("yaml", "json")
