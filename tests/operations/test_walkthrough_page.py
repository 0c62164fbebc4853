"""The blocks of docs/walkthrough.md, run as they stand there: in order, in one folder, on a real Kafka."""

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pages import Page
from support.shared import SharedKafka
from support.source import ROOT

from streamlake.engine.local.ports import free_ports

PAGE = ROOT / "docs" / "walkthrough.md"
VARIES = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+\+00:00|(?<=ingestion_date=)[\d-]{10}")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the page is followed; the edge that it starts does not outlive the test."""
    yield tmp_path
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
        os.kill(int((tmp_path / "edge.pid").read_text()), signal.SIGTERM)


def test_every_command_of_the_page_does_what_it_says(folder: Path, kafka: SharedKafka) -> None:
    port = {"127.0.0.1:8080": f"127.0.0.1:{free_ports(1)[0]}"}
    names = ["streamlake.order.raw", "streamlake.orders.dlq", "group_id: streamlake.orders"]
    Page(PAGE, names, VARIES, port).follow(folder, kafka.bootstrap_servers)


def test_every_block_is_a_command_a_file_or_an_answer() -> None:
    Page(PAGE).check_blocks("yaml", "python", not_run=4)


def test_each_of_the_ten_phases_has_its_place() -> None:
    headings = "\n".join(re.findall(r"^## (.*)$", PAGE.read_text(), re.MULTILINE))
    assert re.findall(r"\b(\d+)\. ", headings) == [str(number) for number in range(1, 11)]
