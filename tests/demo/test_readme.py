"""The README's commands, run as they stand there: in order, in one folder, with the files that it tells to write."""

import json
import re
import uuid
from pathlib import Path
from statistics import median

import pytest
from support.pages import blocks, run
from support.shared import SharedKafka

from streamlake.engine.cli.main import COMMANDS

README = Path(__file__).parent.parent.parent / "README.md"
LINES_MAX = 200
PEERS = json.loads((README.parent / "docs/measured/peers.json").read_text())["contenders"]
COMPARED = {
    "StreamLake": "StreamLake, Parquet",
    "Kafka Connect": "Kafka Connect FileStreamSink",
    "Python by hand": "Python by hand, 1 process",
    "Flink": "Flink SQL",
    "Spark": "Spark Structured Streaming",
}
"""Who stands in the README's table, by the name that it was measured under."""
LATER = {"python", "yaml"}  # languages of files to write


def test_every_command_of_the_readme_does_what_it_says(tmp_path: Path, kafka: SharedKafka) -> None:
    said = ""
    unique = f"payments-{uuid.uuid4().hex[:8]}"  # the Kafka is not ours alone, and `payments` may be there already
    for block in blocks(README.read_text()):
        if block.mark == "file":
            (tmp_path / block.what).write_text(block.text.replace("name: payments", f"name: {unique}"))
        elif block.language == "sh" and not block.mark:
            done = run(block.text, tmp_path, kafka.bootstrap_servers)
            assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
            said += done.stdout
    assert "3 of 3 records acknowledged" in said
    assert re.search(r"/amount breaks .* with \"a lot\"", said), "the broken payment is a dead letter"
    assert "proven: 3 offsets = 2 rows + 1 dead letter" in said
    assert said.count("'value': '{\"id\": ") == 2, "PyArrow reads the two that landed"


def test_a_block_that_is_not_run_says_why() -> None:
    for block in blocks(README.read_text()):
        if block.language == "sh":
            assert block.mark in ("", "not run"), block
        elif block.language in LATER:
            assert block.mark == "file", f"a file to write has its name above it: {block}"
        else:
            assert block.language == "text", f"neither a command nor a file nor a picture: {block}"


def test_a_block_that_fails_is_seen(tmp_path: Path) -> None:
    (block,) = blocks("text\n\n```sh\nfalse | true\ntrue\n```\n")
    assert run(block.text, tmp_path, "nowhere:1").returncode == 1


def test_every_block_is_found() -> None:
    text = README.read_text()
    assert len(list(blocks(text))) == text.count("```") / 2


def test_the_readme_opens_with_what_it_is_and_two_commands_and_stays_short() -> None:
    lines = README.read_text().splitlines()
    assert len(lines) < LINES_MAX
    assert {"make demo", "make test"} <= {line.partition("#")[0].strip() for line in lines[:15]}


@pytest.mark.parametrize("command", list(COMMANDS))
def test_the_readme_names_every_command(command: str) -> None:
    assert f"`streamlake {command}" in README.read_text()


@pytest.mark.parametrize("name", list(COMPARED))
def test_what_others_cost_is_what_was_measured(name: str) -> None:
    (times,) = [one["times_drain"] for one in PEERS if one["name"] == COMPARED[name]]
    (said,) = re.findall(rf"^\| {name} \|.*\| ([\d.]+) \|$", README.read_text(), re.MULTILINE)
    assert said == f"{median(times):.{len(said.partition('.')[2])}f}", "run: make bench-peers, and say the new figure"
