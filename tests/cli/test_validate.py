"""`streamlake validate` as a user sees it: its steps, its JSON, and a real cluster that lacks something."""

import json
import time
from pathlib import Path

from support.engine import streamlake
from support.shared import SharedKafka
from support.topics import fill, make_topic
from support.yaml_file import SMALL

from streamlake.config.load import load_pipeline

INSTALLED = "installed: json, jsonschema, none, pydantic; your own is named by an import path, module:Class"


def test_a_yaml_with_problems_is_checked_in_every_step(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    text = SMALL.replace("127.0.0.1:9092", "127.0.0.1:1").replace("partitions: 4", "partitions: 0")
    file.write_text(text.replace("{type: json}", "{type: jsn}").replace("root: lake", "root: /proc/1/lake"))
    began = time.monotonic()
    found = streamlake("validate", str(file))
    assert time.monotonic() - began < 15
    assert (found.returncode, found.stderr) == (78, "")
    lines = [line.replace(f"{tmp_path}/", "") for line in found.stdout.splitlines()]
    assert lines[:4] == [
        "1 YAML: 1 problem",
        "    orders.yaml:6:37: kafka.topics[order.raw].partitions: 0 must be at least 1",
        "2 plugins, models and paths: 1 problem",
        f"    orders.yaml:8:13: validator.type: there is no validator 'jsn'; did you mean json? {INSTALLED}",
    ]
    assert lines[4] == "3 broker, topics, permissions and storage: 2 problems; not checked: topics and permissions"
    assert lines[5].startswith(
        "    orders.yaml:3:3: kafka.bootstrap_servers: asking for the names of all topics: no answer from 127.0.0.1:1"
    )
    assert lines[6].startswith("    orders.yaml:9:20: sink.root: /proc/1/lake can't be written to")
    assert not any(": valid: " in line for line in lines)


def test_a_file_that_is_no_yaml_leaves_the_other_steps_out(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    file.write_text("pipeline: [\n")
    found = streamlake("validate", str(file))
    assert found.returncode == 78
    assert found.stdout.splitlines()[2:] == [
        "2 plugins, models and paths: not checked: the YAML can't be read",
        "3 broker, topics, permissions and storage: not checked: the YAML can't be read",
    ]


def test_programs_get_json_of_a_shape_that_stays(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    file.write_text(SMALL + "batch: {rows_max: 0}\n")
    found = streamlake("validate", str(file), "--json", "--offline", "--set", "sink.format=csv")
    assert found.returncode == 78
    said = json.loads(found.stdout)
    assert list(said) == ["valid", "steps", "problems", "warnings", "forecast"]
    assert said["problems"] == [
        {
            "step": 1,
            "file": str(file),
            "line": 11,
            "column": 19,
            "message": "batch.rows_max: 0 must be at least 1",
        },
        {
            "step": 2,
            "file": None,
            "line": None,
            "column": None,
            "message": "--set sink.format: 'csv' is not known; one of parquet, jsonl",
        },
    ]
    assert [step["not_checked"] for step in said["steps"]] == [None, None, "--offline"]
    whole = json.loads(streamlake("validate", str(file), "--json", "--offline", "--set", "batch.rows_max=5").stdout)
    assert (whole["valid"], whole["problems"]) == (True, [])
    assert list(whole["forecast"]) == [
        *("partitions", "workers", "records_a_day", "files_a_day", "entries_a_day", "rows_a_file"),
        *("memory_bytes", "memory_bytes_max", "machine_bytes", "machine_limit"),
    ]


def test_a_real_cluster_tells_what_is_there_and_what_came_in_the_last_day(kafka: SharedKafka, tmp_path: Path) -> None:
    topic, dead = make_topic(kafka.bootstrap_servers, "valid"), make_topic(kafka.bootstrap_servers, "valid-dlq")
    fill(kafka.bootstrap_servers, topic, [b"{}"] * 25)
    file = tmp_path / "orders.yaml"
    text = SMALL.replace("127.0.0.1:9092", kafka.bootstrap_servers).replace("    - {name: order.late}\n", "")
    file.write_text(text.replace("order.raw, partitions: 4", topic).replace("orders.dlq", dead))
    found = streamlake("validate", str(file))
    assert found.returncode == 0, found.stdout
    assert "3 broker, topics, permissions and storage: ok\n" in found.stdout
    assert "    records a day: 25, as in the last 24 hours\n" in found.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["orders.yaml"], "nothing was made"
    missing = f"{topic[:-1]}"
    found = streamlake("validate", str(file), "--set", f"kafka.topics[0].name={missing}")
    assert found.returncode == 78
    apply = f"`streamlake topics apply {file} --set 'kafka.topics[0].name={missing}'` makes it"
    place = f"--set kafka.topics[{missing}].name: the cluster"
    assert f"has no topic '{missing}'; did you mean {topic}? {apply}" in found.stdout
    assert place in found.stdout
    for command in ("run", "dry-run"):
        asked = streamlake(command, str(file), "--set", f"kafka.topics[0].name={missing}")
        assert asked.returncode == 78
        assert f"has no topic '{missing}'; did you mean {topic}? {apply}" in asked.stderr
        assert "SL0102" in asked.stderr


def test_where_the_sign_in_is_wrong_nobody_else_is_asked_in_its_place(kafka: SharedKafka, tmp_path: Path) -> None:
    """Without what is wrong there the plain listener would answer, and all would be said to be well."""
    file = tmp_path / "orders.yaml"
    file.write_text(SMALL.replace("127.0.0.1:9092", kafka.bootstrap_servers))
    for setting in ("security.protocol=SASL_SSL", "security.username=x", "properties={sasl.username: x}"):
        found = streamlake("validate", str(file), "--set", f"kafka.{setting}")
        said = "3 broker, topics, permissions and storage: not checked: topics and permissions (kafka: problems above)"
        assert (found.returncode, said in found.stdout) == (78, True), found.stdout
    found = streamlake("validate", str(file), "--set", "kafka.properties={group.id: x}")
    assert "3 broker, topics, permissions and storage: 3 problems" in found.stdout, "no topic of the three is there"


def test_two_drafts_in_one_folder_have_a_root_each(tmp_path: Path) -> None:
    roots = set()
    for name in ("orders", "payments"):
        file = tmp_path / f"{name}.yaml"
        assert streamlake("init", str(file), "--offline").returncode == 0
        roots.add(load_pipeline(file).sink.options["root"])
    assert roots == {"lake/orders", "lake/payments"}
