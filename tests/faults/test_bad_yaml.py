"""A YAML that can't be used: exit 78 before anything is touched, one line for each problem, in `validate` and `run`."""

import json
from pathlib import Path

import pytest
from support.engine import streamlake

NOWHERE = "127.0.0.1:1"

BAD = {
    "an unknown key": ("batch: {rows_max: 100", "batch: {row_max: 100", ["batch.row_max", "rows_max"]),
    "a wrong type": ("rows_max: 100", "rows_max: many", ["batch.rows_max", "many"]),
    "an unset variable": (NOWHERE, "${NOBODY_SETS_THIS}", ["kafka.bootstrap_servers", "NOBODY_SETS_THIS"]),
    "a dead-letter topic that is a source": ("name: t.dlq", "name: t", ["dead_letters.topic.name", "also read"]),
    "a refused property": ("{session.timeout.ms: 6000}", "{enable.auto.commit: true}", ["auto.commit", "ledger"]),
    "an unknown validator": ("type: json}", "type: jsn}", ["validator", "jsn", "json"]),
    "an unknown option of a validator": ("type: json}", "type: json, dept_max: 3}", ["dept_max", "depth_max"]),
    "no YAML at all": ("pipeline: orders", "pipeline: [orders", ["not YAML"]),
    "a value that librdkafka refuses": ("{session.timeout.ms: 6000}", "{fetch.min.bytes: lots}", ["fetch.min.bytes"]),
}
"""What is replaced by what in GOOD, and the words that the one line must hold."""

GOOD = f"""\
pipeline: orders
kafka:
  bootstrap_servers: {NOWHERE}
  group_id: streamlake.orders
  topics: [{{name: t}}]
  properties: {{session.timeout.ms: 6000}}
validator: {{type: json}}
sink: {{type: file, root: lake}}
batch: {{rows_max: 100}}
dead_letters: {{topic: {{name: t.dlq}}}}
"""


def test_the_yaml_that_the_bad_ones_are_made_from_is_good(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(GOOD)
    checked = streamlake("validate", "--offline", str(file))
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("command", ["validate", "run"])
@pytest.mark.parametrize("fault", BAD)
def test_a_bad_yaml_ends_with_78_and_one_line_that_says_what_and_where(
    tmp_path: Path, fault: str, command: str
) -> None:
    good, bad, words = BAD[fault]
    assert GOOD.count(good) == 1
    file = tmp_path / "pipeline.yaml"
    file.write_text(GOOD.replace(good, bad))
    offline = ["--offline"] if command == "validate" else []
    refused = streamlake(command, str(file), *offline)
    assert refused.returncode == 78, refused.stderr
    (line,) = [line for line in (refused.stdout + refused.stderr).splitlines() if "pipeline.yaml:" in line]
    assert all(word in line for word in words), line
    assert "pipeline.yaml" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipeline.yaml"], "nothing was made"


def test_every_problem_has_its_own_line(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(GOOD.replace("rows_max: 100", "row_max: 100, seconds_max: soon").replace("t.dlq", "t"))
    refused = streamlake("run", str(file))
    assert refused.returncode == 78
    assert len(json.loads(refused.stderr)["why"].splitlines()) >= 2, refused.stderr
