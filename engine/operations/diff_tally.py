"""What a comparison has found so far: counts, the first examples and, where it is wanted, a file of all differences."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from streamlake.engine.operations.diff_join import OUTCOMES
from streamlake.engine.operations.diff_types import Example, Fate, Outcome
from streamlake.engine.operations.diff_values import differing
from streamlake.engine.records import TopicPartition

VALUE_CHARS_MAX = 200
"""Of a value in an example."""

_PLACE: dict[str, pa.DataType] = {"topic": pa.string(), "partition": pa.int32()}
PLACE = pa.schema(_PLACE)
VALUES = pa.schema({"here_value": pa.binary(), "there_value": pa.binary()})
DIFFERENCES = pa.unify_schemas([PLACE, OUTCOMES, VALUES])
"""A row of the Parquet file: one offset that differs. Values only where these differ: the payload, or JSON text."""

_compute: Any = pc


class DifferenceFile(Protocol):
    """Takes the rows of all differences (DIFFERENCES), as they are found."""

    def write_table(self, table: pa.Table, /) -> None:
        """Write some."""


@dataclass
class Tally:
    """Of one partition (`diff_join.Seen`). `examples` is shared by all of a comparison, up to `examples_max`."""

    source: TopicPartition
    examples: list[Example]
    examples_max: int
    file: DifferenceFile | None = None
    pairs: Counter[tuple[Outcome, Outcome]] = field(default_factory=Counter)
    values_same: int = 0
    values_differ: int = 0
    values_not_compared: int = 0
    columns_apart: set[str] = field(default_factory=set)

    def without_rows(self, here: Fate, there: Fate, offsets: int) -> None:
        """See `diff_join.Seen`."""
        self.pairs[Outcome(here), Outcome(there)] += offsets

    def values(self, same: int, not_compared: int, columns_apart: set[str]) -> None:
        """See `diff_join.Seen`."""
        self.pairs[LANDED, LANDED] += same + not_compared
        self.values_same += same
        self.values_not_compared += not_compared
        self.columns_apart |= columns_apart

    def outcomes(self, rows: pa.Table) -> None:
        """See `diff_join.Seen`."""
        for group in rows.group_by(OUTCOMES.names[1:]).aggregate([([], "count_all")]).to_pylist():
            self.pairs[_outcomes(group)] += group["count_all"]
        if self.file is not None or len(self.examples) < self.examples_max:
            some = rows.filter(_differing(rows))
            self._keep(some, [None] * some.num_rows, [None] * some.num_rows)

    def value_differs(self, here: pa.RecordBatch, there: pa.RecordBatch, columns: Sequence[str]) -> None:
        """See `diff_join.Seen`."""
        rows = here.num_rows
        self.pairs[LANDED, LANDED] += rows
        self.values_differ += rows
        wanted = rows if self.file is not None else min(rows, self.examples_max - len(self.examples))
        if wanted <= 0:
            return
        fates = [pa.repeat("landed", wanted), pa.nulls(wanted, pa.string()), pa.nulls(wanted, pa.string())]
        outcomes: list[Any] = [here.column("_offset").slice(0, wanted), *fates, *fates]
        ours, theirs = (_texts(side.slice(0, wanted), columns) for side in (here, there))
        self._keep(pa.table(outcomes, schema=OUTCOMES), ours, theirs)

    def _keep(self, rows: pa.Table, here: Sequence[bytes | None], there: Sequence[bytes | None]) -> None:
        wanted = self.examples_max - len(self.examples)
        for row, ours, theirs in zip(rows.slice(0, max(0, wanted)).to_pylist(), here, there, strict=False):
            self.examples.append(Example(self.source, row["offset"], *_outcomes(row), _shown(ours), _shown(theirs)))
        if self.file is not None:
            count = rows.num_rows
            place: list[Any] = [
                pa.repeat(self.source.topic, count),
                pa.repeat(pa.scalar(self.source.partition, pa.int32()), count),
            ]
            values: list[Any] = [pa.array(here, pa.binary()), pa.array(there, pa.binary())]
            self.file.write_table(pa.table([*place, *rows.columns, *values], schema=DIFFERENCES))


LANDED = Outcome("landed")


def _outcomes(row: dict[str, Any]) -> tuple[Outcome, Outcome]:
    """What a row, or a group of rows, says of both sides."""
    here, there = (Outcome(row[side], row[f"{side}_reason"], row[f"{side}_field"]) for side in ("here", "there"))
    return here, there


def _differing(rows: pa.Table) -> Any:
    """Which rows have outcomes that differ: of each row one side at least has a record."""
    whole: Any = rows.combine_chunks().to_batches()[0]
    masks = [differing(whole.column(f"here{what}"), whole.column(f"there{what}")) for what in ("", "_reason", "_field")]
    return _compute.or_(_compute.or_(masks[0], masks[1]), masks[2])


def _texts(rows: pa.RecordBatch, columns: Sequence[str]) -> list[bytes | None]:
    """The payloads, or the JSON of the columns that differ somewhere."""
    if list(columns) == ["value"] and pa.types.is_binary(rows.schema.field("value").type):
        return rows.column("value").to_pylist()
    objects = rows.select(list(columns)).to_pylist()
    return [orjson.dumps(one, default=str, option=orjson.OPT_NON_STR_KEYS) for one in objects]


def _shown(value: bytes | None) -> str | None:
    if value is None:
        return None
    text = value[: 4 * VALUE_CHARS_MAX].decode(errors="backslashreplace")
    return text if len(text) <= VALUE_CHARS_MAX and len(value) <= 4 * VALUE_CHARS_MAX else f"{text[:VALUE_CHARS_MAX]}…"
