"""What is readable of a YAML with problems: the rest is checked by it, and it is never taken for the whole."""

from pathlib import Path

import pytest
from support.yaml_file import SMALL

from streamlake.config.load import read_documents
from streamlake.config.model import PipelineConfig
from streamlake.config.partly import Readable, read_partly
from streamlake.config.variables import fill_variables

ALL = frozenset(PipelineConfig.model_fields)


def partly(folder: Path, text: str, *overrides: str) -> Readable:
    """`text` read, which stays as it is."""
    file = folder / "pipeline.yaml"
    file.write_text(text)
    document = read_documents(file, overrides)
    fill_variables(document, {})
    before = repr(document.tree)
    read = read_partly(document, file)
    assert repr(document.tree) == before
    return read


def test_a_whole_one_is_what_loading_makes_of_it(tmp_path: Path) -> None:
    read = partly(tmp_path, SMALL)
    assert (read.problems, read.sections) == ((), ALL)
    assert read.config.kafka.group_id == "streamlake.orders"


def test_a_setting_with_a_problem_has_its_default_and_the_others_are_there(tmp_path: Path) -> None:
    read = partly(tmp_path, SMALL + "batch: {rows_max: many, seconds_max: 5}\n", "kafka.topcis=x")
    assert len(read.problems) == 2
    assert read.has(*ALL)
    assert (read.config.batch.rows_max, read.config.batch.seconds_max) == (200_000, 5)
    assert read.config.kafka.topic_names == ("order.raw", "order.late")
    assert read.config.base_dir == tmp_path


@pytest.mark.parametrize(
    ("override", "lost"),
    [
        ("kafka.group_id=", "kafka"),
        ("kafka=7", "kafka"),
        ("sink.root=${NOBODY_SETS_THIS}", "sink"),
        ("validator.depth_max=${NOBODY_SETS_THIS}", "validator"),
        ("python_path=[7, nowhere]", "python_path"),
        ("pipeline=a b", "pipeline"),
    ],
)
def test_a_section_that_would_not_be_what_was_meant_is_not_there(tmp_path: Path, override: str, lost: str) -> None:
    read = partly(tmp_path, SMALL, override)
    assert read.problems
    assert ALL - read.sections == {lost}


def test_what_was_left_out_is_known_and_the_settings_beside_it_are_there(tmp_path: Path) -> None:
    read = partly(tmp_path, SMALL, "kafka.properties={group.id: x, fetch.min.bytes: 5, acks: all}")
    assert read.left_out == {("kafka", "properties", "group.id"): "x", ("kafka", "properties", "acks"): "all"}
    assert list(read.config.kafka.properties) == ["fetch.min.bytes"]
    assert read.signs_in_as_meant


@pytest.mark.parametrize(
    "override",
    [
        "kafka.security={protocol: SASL_SSL, ca: x.pem}",
        "kafka.security={protocol: SASL}",
        "kafka.security={ca: x.pem}",
        "kafka.security={protocol: SSL, nonsense: 1}",
        "kafka.security={protocol: SASL_SSL, mechanism: OAUTHBEARER}",
        "kafka.security={protocol: SASL_SSL, mechanism: PLAIN, username: x, password: '${NOBODY_SETS_THIS}'}",
        "kafka.properties={ssl.ca.location: x}",
        "kafka.properties=7",
        "kafka.bootstrap_servers=x",
    ],
)
def test_a_cluster_is_never_asked_without_a_part_of_how_it_is_reached(tmp_path: Path, override: str) -> None:
    read = partly(tmp_path, SMALL, override)
    assert read.problems
    assert not read.signs_in_as_meant


def test_a_section_whose_topic_is_of_the_wrong_kind_is_not_said_to_have_none(tmp_path: Path) -> None:
    read = partly(tmp_path, SMALL, "dead_letters={topic: orders.dlq}")
    (problem,) = read.problems
    assert "must be a mapping" in problem.sentence
