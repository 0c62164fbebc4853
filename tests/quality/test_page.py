"""The blocks of docs/operations/quality.md, run as they stand there: in order, in one folder, on a real Kafka."""

import json
import re
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree as ET

from support.pages import Page
from support.shared import SharedKafka
from support.source import ROOT

from streamlake.config.columns import OWN_COLUMNS
from streamlake.config.quality import Check
from streamlake.engine.operations.quality_keep import SCHEMA
from streamlake.engine.operations.quality_types import Status

PAGE = ROOT / "docs" / "operations" / "quality.md"
SECONDS = re.compile(r"\b\d+\.\d{3}\b")


def test_every_command_of_the_page_does_what_it_says(tmp_path: Path, kafka: SharedKafka) -> None:
    Page(PAGE, ["shop-orders", "shop-customers"], SECONDS).follow(tmp_path, kafka.bootstrap_servers)
    report = json.loads((tmp_path / "report.json").read_text())
    assert [result["name"] for result in report["results"]] == ["unique order", "freshness"]
    suite = ET.parse(tmp_path / "quality.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("11", "5", "0")


def test_every_block_is_a_command_a_file_or_an_answer() -> None:
    Page(PAGE).check_blocks("yaml")


def test_every_check_option_status_and_column_is_explained() -> None:
    text = PAGE.read_text()
    models = get_args(get_args(Check)[0])
    types = [get_args(model.model_fields["type"].annotation)[0] for model in models]
    options = {name for model in models for name in model.model_fields} - {"type"}
    words = [*types, *sorted(options), *get_args(Status), *OWN_COLUMNS, *SCHEMA.names, "examples_max"]
    assert len(types) == 11
    assert [word for word in words if f"`{word}`" not in text] == []
