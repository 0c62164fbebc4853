"""The blocks of docs/http.md, run as they stand there: in order, in one folder, on a real Kafka."""

import contextlib
import json
import os
import re
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pages import blocks, run
from support.shared import SharedKafka
from support.source import ROOT

from streamlake.engine.local.ports import free_ports

PAGE = ROOT / "docs" / "http.md"


@pytest.fixture
def curl() -> None:
    """curl is here: it comes with every system that the page is for."""
    assert shutil.which("curl"), "the page is tried with curl: install it"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the page is followed; the edge that it starts does not outlive the test."""
    yield tmp_path
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
        os.kill(int((tmp_path / "edge.pid").read_text()), signal.SIGTERM)


@pytest.mark.usefixtures("curl")
def test_every_command_of_the_page_does_what_it_says(folder: Path, kafka: SharedKafka) -> None:
    said = ""
    # The Kafka and the port are not ours alone.
    renamed = {"shop-orders": f"shop-{uuid.uuid4().hex[:8]}", "127.0.0.1:8080": f"127.0.0.1:{free_ports(1)[0]}"}
    for block in blocks(PAGE.read_text()):
        text = block.text
        for before, after in renamed.items():
            text = text.replace(before, after)
        if block.mark == "file":
            (folder / block.what).write_text(text)
        elif block.language == "sh" and not block.mark:
            done = run(text, folder, kafka.bootstrap_servers)
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}\n{(folder / 'edge.log').read_text()}"
            said += done.stdout
    assert '{"stored":1,"refused":2,"unknown":0,"results":[' in said, "the lines"
    assert '{"stored":1,"refused":2,"unknown":0}' in said, "the same, compressed, as a summary"
    assert re.search(r"proven: 3 offsets = 3 rows", said)
    assert said.count("/order breaks") >= 2, "the broken order is in the answer and in the list of dead letters"
    assert '"type":"/docs#unknown-stream"' in said
    assert "1 of 1 record stored" in said
    assert 'streamlake_http_records_total{outcome="stored",stream="orders"}' in said
    assert json.loads((folder / "openapi.json").read_text())["openapi"].startswith("3.1")
    assert "unknown-stream" in (folder / "docs.html").read_text()
    assert (folder / "key").read_text().strip() not in (folder / "edge.log").read_text() + said


def test_a_block_that_is_not_run_says_why() -> None:
    for block in blocks(PAGE.read_text()):
        if block.language == "sh":
            assert block.mark in ("", "not run"), block
        elif block.language in ("yaml", "json"):
            assert block.mark == "file", f"a file to write has its name above it: {block}"
        else:
            assert block.language == "text", f"neither a command nor a file nor an answer: {block}"


def test_each_setting_is_in_the_table() -> None:
    schema = json.loads((ROOT / "config" / "pipeline.schema.json").read_text())["$defs"]
    text = PAGE.read_text()
    for section in ("HttpSettings", "StreamSettings"):
        missing = [name for name in schema[section]["properties"] if f"`{name}`" not in text]
        assert missing == [], section
