"""docs/operations/status.md names every field of the JSON, and every column and key there is."""

import re
from collections.abc import Iterable
from typing import Any

from support.shown import at_night
from support.source import ROOT

from streamlake.engine.cli.board import COLUMNS
from streamlake.engine.cli.board_words import SORTS
from streamlake.engine.cli.status import status_json
from streamlake.engine.operations.status import PartitionStatus, PipelineStatus
from streamlake.engine.records import TopicPartition
from streamlake.engine.state_json import state_to_json

PAGE = (ROOT / "docs" / "operations" / "status.md").read_text()


def named_in(part: str) -> set[str]:
    """What the first cells of the tables in a part of the page name."""
    rows = [line for line in part.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])}


JSON_PART = PAGE.partition("## The JSON")[2]
BEFORE, AFTER = JSON_PART.split("An engine's `/status`")


def of_all(documents: Iterable[dict[str, Any]]) -> set[str]:
    return {name for document in documents for name in document}


def test_every_field_of_the_json_is_explained_and_no_other() -> None:
    engine = at_night(8)
    partitions = [PartitionStatus(TopicPartition("orders", 0)), PartitionStatus(TopicPartition("orders", 1))]
    partitions[1].state = engine.partitions[0]
    document = status_json(PipelineStatus("orders", partitions, engine, ()))
    assert named_in(BEFORE) == {*document, *of_all(document["partitions"])}
    said = state_to_json(engine)
    assert named_in(AFTER) - set(said) <= of_all(said["partitions"])
    assert {*said, *of_all(said["partitions"])} <= named_in(JSON_PART)


def test_every_column_and_order_is_explained() -> None:
    assert {column.name for column in COLUMNS} - {"partition"} == named_in(PAGE.partition("## The live table")[0])
    assert ", ".join(SORTS) in PAGE


def test_without_an_engine_nothing_of_an_engine_is_made_up() -> None:
    found = PipelineStatus("orders", [PartitionStatus(TopicPartition("orders", 0))], None, ())
    (one,) = status_json(found)["partitions"]
    unknown = {"records_per_second", "memory_bytes", "refused_share", "last_commit_rows", "lag_seconds", "hint", "end"}
    assert {name for name in unknown if one[name] is not None} == set()
    assert one["state"] == "stopped"
