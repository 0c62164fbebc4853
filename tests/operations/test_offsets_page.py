"""The blocks of docs/operations/offsets.md, run as they stand there: in order, in one folder, on a real Kafka."""

import re
from pathlib import Path

from confluent_kafka.admin import AdminClient
from support.pages import Page
from support.shared import SharedKafka
from support.source import ROOT
from support.topics import delete_topic
from support.waiting import wait_until

PAGE = ROOT / "docs" / "operations" / "offsets.md"


def delete_until_gone(servers: str, topic: str) -> None:
    """What the one block does that is not run."""
    delete_topic(servers, topic)
    with AdminClient({"bootstrap.servers": servers}) as admin:
        wait_until(lambda: topic not in admin.list_topics(timeout=10).topics, "the topic is gone")


def test_every_command_of_the_page_does_what_it_says(tmp_path: Path, kafka: SharedKafka) -> None:
    page = Page(PAGE, ["shop-orders"])
    (topic,) = page.names
    servers = kafka.bootstrap_servers
    page.follow(tmp_path, servers, not_run=lambda: delete_until_gone(servers, page.ours(topic)))
    assert "the group shop-orders is active: streamlake-shop on " in page.said
    assert "`streamlake offsets reset --recreated` goes on with the new one" in page.said
    places = sorted(re.findall(r"(lake/\w+)/.*-0{19}(\d)-0{19}(\d)\.(live-\d)\.jsonl", page.said))
    assert places == [
        *(("lake/raw", "0", "3", "live-1"), ("lake/raw", "3", "6", "live-2")),
        ("lake/superseded", "3", "6", "live-1"),
    ]
    assert page.said.count("proven: ") == 3
    landed = sorted((tmp_path / "lake" / "raw").rglob("*.jsonl"))
    assert sum(len(path.read_bytes().splitlines()) for path in landed) == 6 + 1 + 2


def test_every_block_is_a_command_a_file_or_an_answer() -> None:
    Page(PAGE).check_blocks("yaml", not_run=1)
