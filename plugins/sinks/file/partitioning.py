"""Which folder a row belongs to: Hive style, in UTC, by when it was ingested or by its own timestamp."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

from streamlake.engine.records import Batch

PartitionBy = Literal["none", "ingestion_date", "ingestion_hour", "record_date", "record_hour"]
PARTITION_BY: tuple[PartitionBy, ...] = ("none", "ingestion_date", "ingestion_hour", "record_date", "record_hour")

FILES_MAX = 256
"""How many raw files one ledger entry may have: `fitting` says where to cut a batch."""

INVALID = "__invalid__"

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_YEAR_10000_MS = 253_402_300_800_000

Group = tuple[str, Sequence[int] | None]
"""A partition path, and the indices of its rows, ascending; None for all rows."""


def groups_of(batch: Batch, by: PartitionBy, now: datetime) -> list[Group]:
    """The rows of `batch` by partition path, none for no rows; one group unless it is by the records' own time."""
    if not len(batch):
        return []
    if by not in {"record_date", "record_hour"}:
        return [(ingestion_folder(by, now), None)]
    values = _record_values(batch, by)
    if min(values) == max(values):
        return [(_record_folder(by, values[0]), None)]
    rows: dict[int, list[int]] = {}
    for index, value in enumerate(values):
        rows.setdefault(value, []).append(index)
    return [(_record_folder(by, value), rows[value]) for value in sorted(rows)]


@lru_cache(maxsize=8)  # asked for each slice of a batch, with the moment that it began
def ingestion_folder(by: PartitionBy, now: datetime) -> str:
    """The partition path by ingestion time; also that of dead letters, whatever the rows go by."""
    if by == "none":
        return ""
    if by in {"ingestion_hour", "record_hour"}:
        return f"ingestion_hour={now.astimezone(UTC):%Y-%m-%d-%H}"
    return f"ingestion_date={now.astimezone(UTC):%Y-%m-%d}"


def fitting(batch: Batch, by: PartitionBy, folders: Collection[str]) -> int:
    """How many of the first messages of `batch` make at most FILES_MAX files, those in `folders` among them."""
    if by not in {"record_date", "record_hour"}:
        return len(batch)
    values = _record_values(batch, by)
    new, left = {value for value in set(values) if _record_folder(by, value) not in folders}, FILES_MAX - len(folders)
    if len(new) <= left:
        return len(batch)
    seen: set[int] = set()
    for index, value in enumerate(values):
        if value in new:
            seen.add(value)
        if len(seen) > left:
            return index
    raise AssertionError("more values in the whole than in all its parts")


def _record_values(batch: Batch, by: PartitionBy) -> list[int]:
    """The day or hour since 1970 of each record; -1 where it has no timestamp, or one before 1970 or after 9999."""
    unit = _HOUR_MS if by == "record_hour" else _DAY_MS
    stamped = zip(batch.timestamps_ms, batch.timestamp_types, strict=True)
    return [ms // unit if kind and 0 <= ms < _YEAR_10000_MS else -1 for ms, kind in stamped]


def _record_folder(by: PartitionBy, value: int) -> str:
    if value < 0:
        return f"{by}={INVALID}"
    hour = by == "record_hour"
    moment = datetime.fromtimestamp(value * (_HOUR_MS if hour else _DAY_MS) // 1000, UTC)
    return f"{by}={moment.year:04d}-{moment:%m-%d-%H}" if hour else f"{by}={moment.year:04d}-{moment:%m-%d}"
