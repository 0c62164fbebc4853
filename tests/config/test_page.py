"""`docs/configuration.md` is the models' own, and each setting says what it does and when to change it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.yaml_file import SMALL, YamlFile

from streamlake.config.kinds import shown_number
from streamlake.config.load import load_pipeline
from streamlake.config.model import PipelineConfig
from streamlake.config.page import EXAMPLES, FIXED, MORE, READ_AT_EACH_CALL, Part, Setting, page, parts, reloading
from streamlake.config.schema import pipeline_schema
from streamlake.config.texts import told
from streamlake.config.values import seconds, size_in_bytes
from streamlake.engine.contracts import PluginOption
from streamlake.engine.operations.configuration import configuration_page, plugin_options
from streamlake.engine.reloading import FIXED_WHILE_RUNNING
from streamlake.http_edge import server

DOCS = Path(__file__).parents[2] / "docs"
PARTS = parts(plugin_options())
SETTINGS = [setting for part in PARTS for setting in part.settings]


def test_the_committed_page_is_up_to_date() -> None:
    assert (DOCS / "configuration.md").read_text() == configuration_page(), "run: make docs"


def without_texts(found: list[Setting]) -> Iterator[str]:
    """The settings that say too little: but a `type` of a check, and what another section tells, need no more."""
    for setting in found:
        is_a_kind = setting.path == "quality.checks[].type"
        elsewhere = setting.takes.startswith("as [")
        if not setting.effect.endswith(".") or (not setting.when and not is_a_kind and not elsewhere):
            yield setting.path


def test_every_setting_says_what_it_does_and_when_to_change_it() -> None:
    assert list(without_texts(SETTINGS)) == []
    assert len(SETTINGS) > 100


@pytest.mark.parametrize("meaning", ["How many.", "Change it for more.", "", "How many. Change it for more"])
def test_a_setting_that_does_not_is_seen(meaning: str) -> None:
    option = PluginOption("many", "number", "1", meaning)
    added = parts({"sink": {"mine": [option]}})
    assert list(without_texts([one for part in added for one in part.settings])) == ["sink.many"]


def test_every_setting_that_loading_knows_is_on_the_page() -> None:
    sections = {name: set(section["properties"]) for name, section in pipeline_schema()["$defs"].items()}
    told_names = {setting.path.rpartition(".")[2] for setting in SETTINGS}
    told_names |= {part.path.rpartition(".")[2].partition("[")[0] for part in PARTS} | {"streams"}
    assert {name for names in sections.values() for name in names} - told_names == set()
    assert set(PipelineConfig.model_fields) <= told_names


def test_a_number_s_default_is_the_one_that_counts() -> None:
    """What the text says is read as a YAML would be, and compared with what the schema has."""
    compared = 0
    for section in pipeline_schema()["$defs"].values():
        for name, field in section["properties"].items():
            if not isinstance(field.get("default"), int | float) or isinstance(field["default"], bool):
                continue
            _, default, _ = told(field["description"])
            kinds = str(field.get("anyOf", field))
            read = size_in_bytes if "[bB]" in kinds else seconds if "(ms|s|m|h|d)" in kinds else float
            assert read(default or "") == field["default"], (name, default)
            compared += 1
    assert compared > 25


def test_words_that_are_defaults_are_the_ones_that_count() -> None:
    for section in pipeline_schema()["$defs"].values():
        for name, field in section["properties"].items():
            if isinstance(field.get("default"), str):
                _, default, _ = told(field["description"])
                assert (default or "").partition(",")[0] == field["default"], name


def test_what_a_signal_does_not_change_is_what_the_processes_keep() -> None:
    engine = set(FIXED_WHILE_RUNNING)
    edge = {f"http.{name}" for name in server.FIXED_WHILE_RUNNING}
    assert set(FIXED) == engine | edge
    assert set(READ_AT_EACH_CALL) < set(PipelineConfig.model_fields)
    kept = {"pipeline": "no", "kafka.start": "no", "sink.gcs.kms_key": "no", "http.workers": "no", "http.auth": "yes"}
    others = {"batch.rows_max": "yes", "dead_letters.topic": "yes", "workers.max": "yes", "quality.checks": "each call"}
    for path, answer in (kept | others).items():
        assert reloading(path) == answer


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.path or "top")
def test_the_example_of_a_section_is_one_line_of_it_that_loads(part: Part, tmp_path: Path) -> None:
    example = EXAMPLES[part.path]
    small = re.sub(r"topics:.*?(?=validator)", "topics: [{name: orders}]\n", SMALL, flags=re.DOTALL)
    base, over = YamlFile(tmp_path).path, tmp_path / "over.yaml"
    base.write_text(small)
    over.write_text(example)
    found: Any = load_pipeline([base, over], environ={"KAFKA_PASSWORD": "a secret"})
    assert "\n" not in example
    tree = yaml.safe_load(example)
    for step in re.sub(r"\[\w*\]|\.NAME", "", part.path).split(".") if part.path else ["pipeline"]:
        found, tree = getattr(found, step, None) or found["orders"], tree.get(step) or tree["orders"][step]
    assert found
    assert tree


def test_there_is_an_example_for_each_section_and_no_other() -> None:
    assert set(EXAMPLES) == {part.path for part in PARTS}
    assert set(MORE) <= set(EXAMPLES)


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (1536, "size", "1536"),
        (3 * 1024**2, "size", "3MiB"),
        (0.05, "duration", "50ms"),
        (90.0, "duration", "90s"),
        (86_400.0, "duration", "1d"),
        (700.0, "duration", "700s"),
        (0.0, "duration", "0"),
        (50_000_000, "whole number", "50,000,000"),
        (0.5, "number", "0.5"),
    ],
)
def test_a_number_is_said_with_the_largest_unit_that_fits(number: float, kind: str, said: str) -> None:
    assert shown_number(number, kind) == said


def test_every_link_of_the_page_leads_somewhere() -> None:
    text = page(plugin_options())
    anchors = {re.sub(r"[^a-z0-9_ -]", "", line.lstrip("# ").lower()) for line in text.splitlines() if line[:1] == "#"}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        assert (DOCS / file).exists(), target
        assert file or anchor in anchors, target
