"""`streamlake explain`: what it says of each example (golden files), and that each setting decides its sentence."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.engine import streamlake
from support.yaml_file import YamlFile

from streamlake.config.load import load_pipeline
from streamlake.config.page import FIXED, parts
from streamlake.config.schema import SCHEMA_FILE
from streamlake.engine.cli.main import run
from streamlake.engine.errors import ConfigError
from streamlake.engine.operations.configuration import plugin_options
from streamlake.engine.operations.explain import explain
from streamlake.engine.operations.explain_said import Chapter, Told

FOLDER = SCHEMA_FILE.parent / "examples"
GOLDEN = Path(__file__).parent / "explained"
EXAMPLES = {
    **{name: (f"{name}.yaml",) for name in ("orders", "typed", "jsonl", "own-model", "many-topics", "secure")},
    "environments": ("environments/base.yaml", "environments/prod.yaml"),
}
MINIMAL = """\
pipeline: orders
kafka: {bootstrap_servers: 'kafka:9092', group_id: orders, topics: [{name: orders}]}
validator: {type: none}
sink: {type: file, root: lake}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples, with the secrets that secure.yaml wants to read."""
    folder = tmp_path_factory.mktemp("explained") / "examples"
    shutil.copytree(FOLDER, folder)
    (folder / "secrets").mkdir()
    (folder / "secrets" / "kafka-password").write_text("hunter2")
    return folder


def settings_of(chapters: list[Chapter]) -> dict[str, str]:
    return {path: value for chapter in chapters for one in chapter.sentences for path, value in one.settings.items()}


def text_of(chapters: list[Chapter]) -> str:
    return "\n".join(one.text for chapter in chapters for one in chapter.sentences)


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_said_of_an_example_is_what_was_reviewed(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`UPDATE_GOLDEN=1` writes the files; then they have to be read."""
    monkeypatch.chdir(folder)
    for variable in ("KAFKA_BOOTSTRAP_SERVERS", "STREAMLAKE_ROOT", "METRICS_LISTEN", "REPLICATION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    assert run(["explain", *EXAMPLES[name]]) == 0
    said, golden = capsys.readouterr().out, GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        golden.write_text(said)
    assert said == golden.read_text()


def test_every_golden_file_is_of_an_example() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_sentence_names_settings_that_there_are_with_their_values(name: str, folder: Path) -> None:
    config = load_pipeline([folder / file for file in EXAMPLES[name]], environ={})
    chapters = explain(config)
    assert all(one.settings for chapter in chapters for one in chapter.sentences)
    page = parts(plugin_options())
    known = {setting.path for part in page for setting in part.settings}
    known |= {part.path for part in page} | {re.sub(r"\[\w*\]", "", part.path) for part in page}
    for path, value in settings_of(chapters).items():
        general = re.sub(r"\[[^]]+\]", "[NAME]", re.sub(r"(?<=http\.streams\.)\w+", "NAME", path))
        general = re.sub(r"(?<=config)\.[a-z.]+$", "", general)
        assert general in known or general == "dead_letters.topic.name", path
        assert value, path


def explained(folder: Path, changes: str, *overrides: str) -> list[Chapter]:
    return explain(YamlFile(folder).load(MINIMAL, *overrides, append=changes))


CHANGES: Mapping[str, tuple[str, str]] = {
    "kafka.start=latest": ("begins with what comes after it", "with the oldest record that Kafka has."),
    "kafka.start=committed": ("where this group has committed", "with the oldest record that Kafka has."),
    "kafka.start=2026-01-31T06:00:00Z": (
        "first record of 2026-01-31T06:00:00Z",
        "with the oldest record that Kafka has.",
    ),
    "kafka.security.protocol=SSL": ("kafka:9092, encrypted;", "neither encrypted nor"),
    "workers.max=3": ("runs 3 workers", "runs 64 workers"),
    "policies.tombstone=refuse": ("refused, as `tombstone`", "passed over"),
    "policies.record_bytes_max=2MiB": ("more than 2MiB", "more than 1MiB"),
    "policies.gap=record": ("written into the ledger as a gap", "the partition is parked, with the offsets"),
    "sink.format=jsonl": ("1200.live-1.jsonl: ", ".parquet"),
    "sink.compression=snappy": ("compressed by snappy", "compressed by zstd"),
    "sink.partition_by=none": ("raw/orders/orders-00000", "ingestion_date="),
    "sink.partition_by=record_hour": ("the hour of the record's own time", "on which its batch"),
    "sink.columns=value": ("A row is the payload alone", "_timestamp_type"),
    "sink.root=gs://bucket/lake": ("waited for, 300s in all", "full or away"),
    "sink.root=memory://lake": ("the root is its memory", "The disk is lost"),
    "batch.rows_max=7": ("closed at 7 records", "closed at 200000"),
    "batch.bytes_max=64MiB": ("at 64MiB", "at 128MiB"),
    "batch.seconds_max=5m": ("can be read some 300s", "some 60s"),
    "dead_letters.topic.name=dead": ("A copy goes to the topic dead", "No copy of it is sent"),
    "dead_letters.breaker.ratio_max=0.1": ("more than 100 of 1000", "more than 500 of 1000"),
    "dead_letters.breaker.ratio_max=1": ("Where more than 500 one after another", "of 1000 in a row"),
    "dead_letters.breaker.consecutive_max=9": ("more than 9 one after another", "more than 500 one after another"),
    "workers.restarts_max=9": ("more than 9 times", "more than 5 times"),
    "workers.restart_window=2m": ("within 120s", "within 60s"),
    "workers.stuck_seconds=20": ("no sign of life for 20s", "for 300s"),
    "workers.drain_seconds=1m": ("for 60s at most; then it is", "for 30s at most; then it is"),
    "metrics.listen=127.0.0.1:9464": ("/readyz warns of that when less than 1h", "Nothing warns"),
    "alarms.retention_seconds_left_min=0": ("the alarm is off", "kept for"),
    "completeness.lateness=1h": ("what is 1h younger", "what is 10m younger"),
    "validator.type=json": ("one JSON text, an object", "as the bytes that it is"),
}
"""`--set`, what is said then, and what was said before."""


@pytest.mark.parametrize("change", CHANGES)
def test_a_setting_decides_what_its_sentence_says(change: str, tmp_path: Path) -> None:
    new, old = CHANGES[change]
    more = () if change.startswith("dead_letters.topic") or "validator" not in change else (DEAD,)
    before, after = explained(tmp_path, ""), explained(tmp_path, "", change, *more)
    assert (old in text_of(before), old in text_of(after)) == (True, False)
    assert (new in text_of(before), new in text_of(after)) == (False, True)
    path = change.partition("=")[0]
    assert settings_of(before).get(path) != settings_of(after)[path]


DEAD = "dead_letters.topic.name=dead"


def test_what_kafka_keeps_is_said_by_topic_where_it_is_known(tmp_path: Path) -> None:
    assert "the cluster's to say" in text_of(explained(tmp_path, ""))
    known = explained(tmp_path, "", "kafka.topics[orders].config={retention.ms: 86400000}")
    assert "Kafka keeps orders for 1d." in text_of(known)
    assert settings_of(known)["kafka.topics[orders].config.retention.ms"] == "86400000"


def test_a_try_of_a_validator_is_bounded_by_the_less_of_both(tmp_path: Path) -> None:
    said = text_of(explained(tmp_path, "", "validator.type=json", DEAD, "workers.stuck_seconds=20"))
    assert "each may take 20s at most" in said
    assert "each may take 60s at most" in text_of(explained(tmp_path, "", "validator.type=json", DEAD))


def test_what_a_signal_does_not_change_is_named_whole(tmp_path: Path) -> None:
    assert f"unless it changes one of {', '.join(FIXED)}:" in text_of(explained(tmp_path, ""))


def test_plugins_of_others_are_told_by_their_name_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "theirs_explained.py").write_text(
        "class Sink:\n    @classmethod\n    def from_options(cls, options, *, base_dir): return cls()\n"
        "    partition = ledger = register_run = find_run = None\n"
        "class Validator:\n    payload = 'json'\n    fingerprint = 'x'\n    @classmethod\n"
        "    def from_options(cls, options, *, columns, base_dir): return cls()\n"
        "    def validate(self, batch): ...\n"
    )
    chapters = explained(
        tmp_path, "", "sink.type=theirs_explained:Sink", "validator.type=theirs_explained:Validator", DEAD
    )
    assert "where the sink theirs_explained:Sink puts it" in text_of(chapters)
    assert "decided by theirs_explained:Validator" in text_of(chapters)
    assert "raw/" not in text_of(chapters)


def test_what_a_plugin_refuses_is_a_problem_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sink\.partition_by: 'day' is not known"):
        explained(tmp_path, "", "sink.partition_by=day")
    (tmp_path / "pipeline.yaml").write_text(MINIMAL.replace("root: lake", "root: lake, formt: jsonl"))
    done = streamlake("explain", str(tmp_path / "pipeline.yaml"))
    assert (done.returncode, done.stdout) == (78, "")
    assert "pipeline.yaml:4:32: sink.formt: the file sink has no such option; did you mean format?" in done.stderr


def test_a_secret_is_not_said(tmp_path: Path) -> None:
    security = "{protocol: SASL_SSL, mechanism: PLAIN, username: u, password: '${P}'}"
    config = YamlFile(tmp_path).load(MINIMAL, f"kafka.security={security}", environ={"P": "hunter2"})
    chapters = explain(config)
    assert "encrypted and signed in to" in text_of(chapters)
    assert "hunter2" not in str(chapters)
    assert Told(config).value("kafka.security.password") == "(secret)"


def test_a_program_gets_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pipeline.yaml").write_text(MINIMAL)
    assert run(["explain", str(tmp_path / "pipeline.yaml"), "--set", "batch.rows_max=7", "--json"]) == 0
    document: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    closing = next(chapter for chapter in document if chapter["title"] == "When a file closes")
    assert closing["sentences"][0]["settings"] == {
        "batch.rows_max": "7",
        "batch.bytes_max": "128MiB",
        "batch.seconds_max": "60s",
    }
