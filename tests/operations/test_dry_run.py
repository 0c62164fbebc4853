"""What a dry run says of records in memory: verdicts, rows in both column modes, the breaker; and what it touches."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from support.broker import pipeline_on
from support.memory_cluster import MemoryCluster

from streamlake.config.model import PipelineConfig
from streamlake.engine import worker_main
from streamlake.engine.errors import BreakerError, ConfigError, UsageError
from streamlake.engine.operations.bounds import Bound
from streamlake.engine.operations.dry_run import END, DryRequest, DryRun, dry_run
from streamlake.engine.records import TopicPartition

SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "at": {"type": "string", "format": "date"}},
    "required": ["id"],
}
STUCK_SECONDS = 1
GOOD, BAD = b'{"id": 1, "at": "2026-01-31"}', b'{"id": "x"}'


def pipeline(root: Path | str = "memory://untouched", **changes: Any) -> PipelineConfig:
    sections: dict[str, Any] = {
        "validator": {"type": "jsonschema", "schema": SCHEMA},
        "sink": {"root": str(root)},
        **changes,
    }
    return pipeline_on("nowhere:1", "orders", **sections)


def told(config: PipelineConfig, *partitions: Sequence[bytes | None], **wanted: Any) -> DryRun:
    cluster = MemoryCluster.of(*partitions)
    return dry_run(config, cluster, cluster.topics, DryRequest(**wanted))


def ranges(found: DryRun) -> list[tuple[int, int, int]]:
    return [(one.range.first, one.range.next, one.read) for one in found.partitions]


def test_each_record_is_accepted_skipped_or_refused_with_its_reason(tmp_path: Path) -> None:
    found = told(pipeline(tmp_path / "lake"), [GOOD, BAD, None, b"broken"], [GOOD])
    assert (found.read, found.accepted, found.skipped) == (5, 2, 1)
    assert found.reasons == {"invalid": 1, "malformed": 1}
    assert [(letter.source.partition, letter.offset, letter.reason, letter.field) for letter in found.letters] == [
        (0, 1, "invalid", "/id"),
        (0, 3, "malformed", None),
    ]
    assert [(one.accepted, one.skipped, one.refused) for one in found.partitions] == [(1, 1, 2), (1, 0, 0)]
    assert list(tmp_path.iterdir()) == [], "not even a folder"


def test_rows_are_shown_as_they_would_land_in_both_modes() -> None:
    found = told(pipeline(), [GOOD, BAD, b'{"id": 2, "more": 1}'])
    envelope, typed = found.modes["envelope"].landed, found.modes["typed"].landed
    assert envelope is not None
    assert typed is not None
    assert [(row["_offset"], row["value"]) for row in envelope.rows] == [
        (0, GOOD.decode()),
        (2, '{"id": 2, "more": 1}'),
    ]
    assert [(row["_offset"], row["id"], str(row["at"])) for row in typed.rows] == [(0, 1, "2026-01-31"), (2, 2, "None")]
    assert envelope.topics == ["orders", "orders"]
    shapes = {column.name: column.type for column in typed.columns}
    assert (shapes["id"], shapes["at"]) == ("int64", "date32[day]")
    assert [column.name for column in envelope.columns][-1] == "value"


def test_nothing_of_the_rows_stays_in_memory() -> None:
    told(pipeline(), [GOOD, BAD], [GOOD])
    left = MemoryFileSystem().find("/streamlake-dry-run")
    assert [name for name in left if "/_stage/" in name or "/raw/" in name] == []


def test_the_typed_columns_are_told_also_where_every_record_is_refused() -> None:
    found = told(pipeline(), [BAD])
    typed = found.modes["typed"].landed
    assert typed is not None
    assert ([column.name for column in typed.columns], typed.rows) == (["id", "at"], [])


@pytest.mark.parametrize("columns", ["envelope", "typed"])
def test_what_only_typed_columns_refuse_counts_by_the_mode_of_the_yaml(columns: str) -> None:
    beyond_int64 = b'{"id": 18446744073709551615}'
    found = told(pipeline(sink={"root": "memory://untouched", "columns": columns}), [GOOD, beyond_int64])
    assert len(found.letters) == (1 if columns == "typed" else 0)
    assert {mode: one.refused for mode, one in found.modes.items()} == {"envelope": 0, "typed": 1}


def test_a_validator_without_columns_says_so_and_the_rest_is_told() -> None:
    found = told(pipeline(validator={"type": "json"}), [GOOD])
    assert found.modes["typed"].landed is None
    assert "typed columns need jsonschema or pydantic" in str(found.modes["typed"].why_not)
    assert found.modes["envelope"].landed is not None
    with pytest.raises(ConfigError, match="typed columns need"):
        told(pipeline(validator={"type": "json"}, sink={"root": "memory://x", "columns": "typed"}), [GOOD])


def test_a_column_that_has_a_name_of_ours_is_said_and_not_a_crash() -> None:
    schema = {"properties": {"_offset": {"type": "integer"}}}
    found = told(pipeline(validator={"type": "jsonschema", "schema": schema}), [GOOD])
    assert "_offset is a name of StreamLake's own columns" in str(found.modes["typed"].why_not)


def test_the_limit_is_of_all_partitions_together() -> None:
    found = told(pipeline(), [GOOD] * 50, [GOOD] * 3, [], limit=10)
    assert (found.read, ranges(found)) == (10, [(0, 7, 7), (0, 3, 3), (0, 0, 0)])


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (Bound("earliest", "earliest"), (0, 5, 5)),
        (END, (15, 20, 5)),
        (Bound("3", "offset", 3), (3, 8, 5)),
        (Bound("18", "offset", 18), (18, 20, 2)),
        (Bound("then", "time", 9_500), (10, 15, 5)),
    ],
)
def test_it_begins_where_it_is_told_to(first: Bound, expected: tuple[int, int, int]) -> None:
    assert ranges(told(pipeline(), [GOOD] * 20, first=first, limit=5)) == [expected]


def test_what_kafka_no_longer_has_is_said_and_passed_over() -> None:
    cluster = MemoryCluster.of([GOOD] * 20)
    cluster.topics.low[TopicPartition("orders", 0)] = 8
    found = dry_run(pipeline(), cluster, cluster.topics, DryRequest(Bound("3", "offset", 3), 5))
    assert (ranges(found), found.remarks) == ([(8, 13, 5)], ["orders/0: Kafka no longer has [3, 8)"])


def test_an_offset_for_several_partitions_and_one_in_the_future_are_refused() -> None:
    with pytest.raises(UsageError, match="name those that you mean"):
        told(pipeline(), [GOOD], [GOOD], first=Bound("0", "offset", 0))
    with pytest.raises(UsageError, match="--from 9: lies in the future"):
        told(pipeline(), [GOOD], first=Bound("9", "offset", 9))
    assert ranges(told(pipeline(), [GOOD], [GOOD], first=Bound("0", "offset", 0), partitions=[1])) == [(0, 1, 1)]


def breaker(**limits: Any) -> dict[str, Any]:
    return {"topic": {"name": "orders.dlq"}, "breaker": limits}


@pytest.mark.parametrize(
    ("values", "limits", "says"),
    [
        ([GOOD] * 9 + [BAD], {}, "would not have parked: at most 1 of 10 refused in orders/0"),
        ([GOOD] * 4 + [BAD] * 6, {}, "would park if it goes on like this: 6 of 10 refused in orders/0"),
        ([BAD], {"ratio_max": 1.0}, "would park if it goes on like this: 1 of 1 refused"),
        ([GOOD, BAD] * 5, {"ratio_max": 0.2, "window_rows": 5}, "would have parked orders/0: 2 of the last 4 refused"),
        (
            [GOOD, *[BAD] * 5],
            {"consecutive_max": 4},
            "would have parked orders/0: 5 refused in a row, most often",
        ),
        ([], {}, "has seen nothing"),
    ],
)
def test_what_the_breaker_would_do_is_forecast(values: list[bytes], limits: dict[str, Any], says: str) -> None:
    found = told(pipeline(dead_letters=breaker(**limits)), values)
    assert found.breaker.startswith(says)
    assert (found.partitions[0].parks is not None) == says.startswith("would have parked")


def misbehaving(folder: Path, how: str) -> PipelineConfig:
    """A model that does `how` at the order with the id 3."""
    module = f"model_of_{folder.name}"  # its own: this process imports it, and would have the one before
    (folder / f"{module}.py").write_text(
        "import os, threading\n"
        "from pydantic import BaseModel, field_validator\n"
        "class Order(BaseModel):\n"
        "    id: int\n"
        "    @field_validator('id')\n"
        "    @classmethod\n"
        "    def explode(cls, value: int) -> int:\n"
        f"        if value == 3: {how}\n"
        "        return value\n"
    )
    config = pipeline(validator={"type": "pydantic", "model": f"{module}:Order"})
    workers = config.workers.model_copy(update={"stuck_seconds": STUCK_SECONDS})
    return config.model_copy(update={"python_path": (folder,), "workers": workers})


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raise RuntimeError('three')", "RuntimeError: three"),
        ("os._exit(9)", "the process died (exit code 9)"),
        ("threading.Event().wait()", f"no answer within {STUCK_SECONDS} s"),
    ],
    ids=["raises", "ends its process", "never answers"],
)
def test_a_record_that_breaks_the_validator_is_named_and_the_others_are_decided(
    tmp_path: Path, how: str, said: str
) -> None:
    found = told(misbehaving(tmp_path, how), [b'{"id": %d}' % number for number in range(6)])
    assert [(letter.offset, letter.reason) for letter in found.letters] == [(3, "crash")]
    assert said in found.letters[0].message
    assert found.accepted == 5
    for mode in found.modes.values():
        assert mode.landed is not None
        assert [row["_offset"] for row in mode.landed.rows] == [0, 1, 2, 4, 5]
        assert mode.refused == 1


def test_a_validator_that_every_record_kills_is_said_after_a_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_main, "LOOK_DEATHS_MAX", 2)
    with pytest.raises(BreakerError, match="the validator dies of more than 2 records"):
        told(misbehaving(tmp_path, "os._exit(9)"), [b'{"id": 3}'] * 4)
