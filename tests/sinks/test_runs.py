"""The run file: written once, and whoever is somebody else is told so with both sides' values."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sinks.making import IDENTITY, ORDERS, files

from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import ConfigError, ForeignRootError, LedgerDamagedError
from streamlake.engine.records import TopicPartition
from streamlake.plugins.sinks.file.sink import FileSink


def sink_on(root: Path) -> FileSink:
    return FileSink.from_options({"root": root.as_uri()}, base_dir=root)


def test_who_a_run_is_stands_as_it_was_said_first(tmp_path: Path) -> None:
    assert sink_on(tmp_path).find_run("live-1") is None
    assert sink_on(tmp_path).register_run(IDENTITY) == IDENTITY
    later = replace(
        IDENTITY, starts={ORDERS: 99, TopicPartition("orders", 4): 1}, created_at="2026-02-01T00:00:00+00:00"
    )
    assert sink_on(tmp_path).register_run(later) == IDENTITY, "the start was resolved once and for all"
    assert sink_on(tmp_path).find_run("live-1") == IDENTITY
    assert files(tmp_path) == ["_runs/live-1.json"]


def test_a_bounded_run_keeps_its_ends_and_a_live_one_says_nothing_of_any(tmp_path: Path) -> None:
    bounded = replace(IDENTITY, run="replay-1", ends={ORDERS: 9, TopicPartition("orders", 10): 5})
    sink_on(tmp_path).register_run(bounded)
    sink_on(tmp_path).register_run(IDENTITY)
    assert sink_on(tmp_path).find_run("replay-1") == bounded
    assert b"ends" not in (tmp_path / "_runs/live-1.json").read_bytes()


def test_of_many_that_register_at_once_all_see_the_same(tmp_path: Path) -> None:
    def register(start: int) -> RunIdentity:
        return sink_on(tmp_path).register_run(replace(IDENTITY, starts={ORDERS: start}))

    with ThreadPoolExecutor(8) as many:
        standing = list(many.map(register, range(8)))
    assert standing == [standing[0]] * 8


FOREIGN: dict[str, tuple[dict[str, Any], Sequence[str]]] = {
    "pipeline": ({"pipeline": "payments"}, ["pipeline orders there, payments here"]),
    "group": ({"group_id": "other"}, ["group id group there, other here"]),
    "cluster": ({"cluster_id": "other"}, ["cluster id cluster there, other here"]),
    "topic made anew": (
        {"topic_ids": {"orders": "new"}},
        ["topic id of orders id there, new here", "`streamlake offsets reset --recreated`"],
    ),
    "no topic in common": ({"topic_ids": {"payments": "id"}}, ["topics orders there, payments here"]),
    "several": (
        {"pipeline": "payments", "group_id": "other"},
        ["pipeline orders there, payments here", "group id group there, other here"],
    ),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_root_of_somebody_else_is_refused_and_untouched(tmp_path: Path, what: str) -> None:
    sink_on(tmp_path).register_run(IDENTITY)
    changes, says = FOREIGN[what]
    with pytest.raises(ForeignRootError, match=r"_runs/live-1\.json") as raised:
        sink_on(tmp_path).register_run(replace(IDENTITY, **changes))
    assert all(sentence in str(raised.value) for sentence in says)
    assert files(tmp_path) == ["_runs/live-1.json"]
    assert sink_on(tmp_path).find_run("live-1") == IDENTITY


@pytest.mark.parametrize("topic_ids", [{"orders": "id", "payments": "new"}, {"orders": "id"}])
def test_a_pipeline_may_get_and_lose_topics(tmp_path: Path, topic_ids: dict[str, str]) -> None:
    known = replace(IDENTITY, topic_ids={"orders": "id", "returns": "gone"})
    sink_on(tmp_path).register_run(known)
    assert sink_on(tmp_path).register_run(replace(IDENTITY, topic_ids=topic_ids)) == known


def test_runs_are_told_oldest_first(tmp_path: Path) -> None:
    for number, created_at in [(1, "2026-01-03"), (2, "2026-01-01"), (10, "2026-01-02")]:
        sink_on(tmp_path).register_run(replace(IDENTITY, run=f"live-{number}", created_at=created_at))
    assert [identity.run for identity in sink_on(tmp_path).ledger().runs()] == ["live-2", "live-10", "live-1"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version":1}', b'{"version":1,"starts":{"orders":{"x":0}}}'])
def test_a_damaged_run_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "_runs").mkdir()
    (tmp_path / "_runs/live-1.json").write_bytes(content)
    with pytest.raises(LedgerDamagedError, match=r"_runs/live-1\.json is no run file"):
        sink_on(tmp_path).find_run("live-1")
    with pytest.raises(LedgerDamagedError, match=r"_runs/live-1\.json is no run file"):
        sink_on(tmp_path).register_run(IDENTITY)


def test_a_run_file_of_a_later_version_is_said_to_be_one(tmp_path: Path) -> None:
    sink_on(tmp_path).register_run(IDENTITY)
    path = tmp_path / "_runs/live-1.json"
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2'))
    with pytest.raises(LedgerDamagedError, match="of a version that this StreamLake does not know"):
        sink_on(tmp_path).find_run("live-1")


@pytest.mark.parametrize("run", ["", "../x", "a/b", ".hidden", "x" * 65, "a b"])
def test_a_run_that_can_be_no_file_name_is_refused(tmp_path: Path, run: str) -> None:
    with pytest.raises(ConfigError, match="can't name a run"):
        sink_on(tmp_path).register_run(replace(IDENTITY, run=run))
    assert files(tmp_path) == []


@pytest.mark.parametrize("topic", ["", "..", "a/b", "a b", "ü", "x" * 250])
def test_what_is_no_topic_name_is_refused(tmp_path: Path, topic: str) -> None:
    with pytest.raises(ConfigError, match="is no Kafka topic name"):
        sink_on(tmp_path).register_run(replace(IDENTITY, topic_ids={topic: "id"}))
    assert files(tmp_path) == []


def test_a_temporary_file_of_one_that_died_is_dropped_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / "_stage/live-1/0c6f.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"{")
    sink_on(tmp_path).register_run(IDENTITY)
    assert not left.exists()
