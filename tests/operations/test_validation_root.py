"""Whose root it is: told by `validate` before `run` refuses it, and only where `run` would."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from support.yaml_file import SMALL, YamlFile

from streamlake.config.model import PipelineConfig
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import ForeignRootError
from streamlake.engine.operations.validation_root import root_problems
from streamlake.engine.records import TopicPartition
from streamlake.engine.worker_main import make_sink

IDS = {"order.raw": "id-1", "order.late": "id-2"}
OURS = RunIdentity("live-1", "orders", "streamlake.orders", "cluster-1", IDS, {}, "2026-01-31T06:00:00Z")


@pytest.fixture
def config(tmp_path: Path) -> PipelineConfig:
    return YamlFile(tmp_path).load(SMALL, f"sink.root={tmp_path}/lake")


def told(config: PipelineConfig, cluster: str | None = "cluster-1", ids: Mapping[str, str] = IDS) -> list[str]:
    return list(root_problems(config, make_sink(config), cluster, ids))


def test_a_root_that_is_new_or_our_own_is_no_problem(config: PipelineConfig, tmp_path: Path) -> None:
    assert told(config) == []
    assert not (tmp_path / "lake").exists(), "nothing was made"
    make_sink(config).register_run(OURS)
    assert (told(config), told(config, None, {})) == ([], [])
    assert told(config, ids={"order.raw": "id-1", "order.new": "id-3"}) == [], "a topic that came later"


def test_the_root_of_another_pipeline_is_told_with_both_names_and_what_to_do(
    config: PipelineConfig, tmp_path: Path
) -> None:
    make_sink(config).register_run(replace(OURS, pipeline="payments", group_id="streamlake.payments"))
    with pytest.raises(ForeignRootError):
        make_sink(config).register_run(OURS)
    for cluster, ids in (("cluster-1", IDS), (None, {})):  # also where no broker answers
        (said,) = told(config, cluster, ids)
        assert said == (
            f"sink.root: {tmp_path}/lake is the lake of the pipeline 'payments', and this is 'orders': run live-1 says "
            "pipeline payments there, orders here; group id streamlake.payments there, streamlake.orders here, and "
            f"`run` refuses it. Give this pipeline a root of its own, for instance {tmp_path}/lake-orders"
        )


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (replace(OURS, group_id="x"), "group id x there, streamlake.orders here"),
        (replace(OURS, cluster_id="x"), "cluster id x there, cluster-1 here"),
        (replace(OURS, topic_ids=IDS | {"order.raw": "old"}), "topic id of order.raw old there, id-1 here"),
        (replace(OURS, topic_ids={"other": "x"}), "topics other there, order.raw, order.late here"),
    ],
)
def test_what_run_refuses_beside_the_name_is_told_too(config: PipelineConfig, theirs: RunIdentity, said: str) -> None:
    make_sink(config).register_run(theirs)
    with pytest.raises(ForeignRootError):
        make_sink(config).register_run(OURS)
    (problem,) = told(config)
    assert problem.startswith(f"sink.root: what landed there is of this pipeline as it was: run live-1 says {said}, ")
    assert ("offsets reset --recreated" in problem) == ("topic id" in said)


def test_a_root_that_another_one_has_only_backfilled_is_its_own_too(config: PipelineConfig) -> None:
    source = TopicPartition("order.raw", 0)
    backfill = replace(OURS, run="backfill-1", pipeline="payments", starts={source: 0}, ends={source: 5})
    make_sink(config).register_run(backfill)
    (problem,) = told(config)
    assert "is the lake of the pipeline 'payments', and this is 'orders': run backfill-1 says" in problem


def test_a_ruined_run_file_is_told(config: PipelineConfig, tmp_path: Path) -> None:
    make_sink(config).register_run(OURS)
    (tmp_path / "lake/_runs/live-1.json").write_text("{")
    (problem,) = told(config)
    assert problem.startswith("sink.root: _runs/live-1.json is no run file")
