"""A decoder that takes only what a JSON Schema allows, where shapes can say the schema: the quick yes.

What it takes, the gate (`decode.py`) and jsonschema-rs would accept. What it refuses is no more than doubtful, and they
decide it. It is compiled (`native_decoder.py`) where that package is installed and can say the shapes, else msgspec's.

Of what it passes over, msgspec looks at the grammar alone: not at UTF-8, and not at how large a number is. So one that
passes over anything (`closed` is False: undeclared fields, values of no type) may be shown only what `Gate.admit` let
through and `Gate.readable` found harmless. The compiled one looks at everything.
"""

import datetime as dt
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from operator import length_hint, or_
from typing import Annotated, Any, Literal, Protocol, cast

import msgspec
import pyarrow as pa

from streamlake.engine.records import Refusal
from streamlake.plugins.validators.column_types import Column
from streamlake.plugins.validators.decode import Admitted, Gate
from streamlake.plugins.validators.native_decoder import native_decoder
from streamlake.plugins.validators.shapes import (
    Anything,
    Double,
    Either,
    InexpressibleError,
    Items,
    Nothing,
    OneOf,
    Pairs,
    Record,
    Schema,
    Shape,
    Text,
    Truth,
    Whole,
    shape_of,
)

HOPELESS_AFTER = 1000
"""Records. Once more than half of so many were doubtful, the rest of the batch is not tried."""

# What is surely of a format. The 29th of February is left to who can count, and so is a leap second.
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_MONTH_DAY = "((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
_TIME = rf"{_CLOCK}:[0-5][0-9](\.[0-9]+)?([Zz]|[+-]{_CLOCK})"
_FORMATS = {
    "time": _TIME,
    "date-time": f"(?!0000)[0-9]{{4}}-{_MONTH_DAY}[Tt]{_TIME}",
    "uuid": "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
}


class Decoder(Protocol):
    """What both kinds of decoders are to a validator."""

    closed: bool
    """Nothing else has to look at what it takes."""

    def doubtful(self, payloads: Sequence[bytes | None]) -> list[int]:
        """The indices of those that it does not take, ascending."""

    def rows(self, payloads: Sequence[bytes | None]) -> tuple["list[object] | pa.RecordBatch", list[int]]:
        """Those that it takes, in their order, for a `TableBuilder`; and the indices of the others, ascending."""


class SchemaDecoder:
    """msgspec's. An object with declared fields becomes a msgspec.Struct; what is missing in it is None."""

    def __init__(self, shape: Shape) -> None:
        """Raises InexpressibleError, and msgspec's own errors, where its types can't say the shape."""
        types = _Types()
        kind = types.kind(shape)
        self.closed = types.closed
        self._decode: Callable[[Any], object] = msgspec.json.Decoder(cast("type[object]", kind)).decode

    def doubtful(self, payloads: Sequence[bytes | None]) -> list[int]:
        """See `Decoder`."""
        return self._decode_into(deque[object](maxlen=0), payloads)  # what was decoded is let go at once

    def rows(self, payloads: Sequence[bytes | None]) -> tuple[list[object], list[int]]:
        """See `Decoder`."""
        taken: list[object] = []
        return taken, self._decode_into(taken, payloads)

    def _decode_into(self, taken: list[object] | deque[object], payloads: Sequence[bytes | None]) -> list[int]:
        left, found = iter(payloads), list[int]()
        decoded = map(self._decode, left)
        while True:
            try:
                taken.extend(decoded)
            except (ValueError, TypeError, RecursionError):  # msgspec's own are ValueErrors; None is a TypeError
                # A map that raised goes on with its next item.
                at = len(payloads) - length_hint(left) - 1
                found.append(at)
                if len(found) > max(HOPELESS_AFTER, at + 1) / 2:
                    return [*found, *range(at + 1, len(payloads))]
            else:
                return found


def undecided(
    decoder: Decoder | None, gate: Gate, values: Sequence[bytes | None], refused: dict[int, Refusal]
) -> Iterator[Admitted]:
    """A batch's payloads without those that the decoder takes and those that the gate refuses: they go to `refused`."""
    if decoder is not None and decoder.closed:
        # What a closed decoder takes, nothing else has to look at.
        doubtful = decoder.doubtful(values)
        yield from gate.admit([values[index] for index in doubtful], refused, doubtful)
        return
    for piece in gate.admit(values, refused):
        if decoder is not None and gate.readable(piece):
            yield piece.take(decoder.doubtful(piece.values))
        else:
            yield piece


def decoder_of(schema: Schema, gate: Gate, columns: Sequence[Column] | None = None) -> Decoder | None:
    """The decoder for records of `schema` that the gate would let through; None where no shape says it exactly.

    `columns`: those that its rows are to fill.
    """
    try:
        shape = shape_of(schema, gate.depth_max)
    except InexpressibleError:
        return None
    if gate.top_level == "object" and not isinstance(shape, Record):
        return None
    native = native_decoder(shape, gate.depth_max, columns)
    if native is not None:
        return native
    try:
        return SchemaDecoder(shape)
    except (InexpressibleError, ValueError, TypeError, RecursionError):  # all but the first: msgspec's own limits
        return None


class _Types:
    """Shapes as types for msgspec; `closed` while all of a payload is looked at."""

    def __init__(self) -> None:
        self.closed = True

    def kind(self, shape: Shape) -> Any:  # noqa: C901, PLR0911  (a table, a line for each shape)
        match shape:
            case Anything():
                self.closed = False
                return Any
            case Nothing():
                return None
            case Truth():
                return bool
            case Text():
                return _string(shape)
            case Whole(least, most, multiple_of):
                return _limited(int, {"ge": least, "le": most, "multiple_of": multiple_of})
            case Double(least, most, above, below):
                return _limited(float, {"ge": least, "le": most, "gt": above, "lt": below})
            case OneOf(values):
                return Literal[tuple(values)]
            case Items(item, items_min, items_max):
                return _limited(
                    list.__class_getitem__(self.kind(item)), {"min_length": items_min, "max_length": items_max}
                )
            case Pairs(value):
                return dict.__class_getitem__((str, self.kind(value)))
            case Either(parts):
                return reduce(or_, map(self.kind, parts))
            case Record():
                return self._record(shape)

    def _record(self, shape: Record) -> Any:
        if not shape.closed:
            self.closed = False
        fields: list[Any] = []
        for number, field in enumerate(shape.fields):
            kind = self.kind(field.shape)
            fields.append((f"f{number}", kind) if field.required else (f"f{number}", kind, None))
        return msgspec.defstruct(
            "Record",
            sorted(fields, key=len),
            rename={f"f{number}": field.name for number, field in enumerate(shape.fields)},
            forbid_unknown_fields=shape.closed,
            gc=False,
        )


def _string(shape: Text) -> Any:
    lengths = {"min_length": shape.length_min, "max_length": shape.length_max}
    if shape.format == "date":
        if lengths != {"min_length": None, "max_length": None}:
            raise InexpressibleError
        return dt.date
    if shape.format is not None:
        return _limited(str, lengths | {"pattern": rf"^{_FORMATS[shape.format]}\Z"})
    if shape.pattern is None:
        return _limited(str, lengths)
    # To Python a `$` also stands before a line break at the end.
    ends = shape.pattern.endswith("$") and not shape.pattern.endswith(r"\$")
    return _limited(str, lengths | {"pattern": rf"{shape.pattern[:-1]}\Z" if ends else shape.pattern})


def _limited(kind: Any, limits: Mapping[str, Any]) -> Any:
    said = {name: limit for name, limit in limits.items() if limit is not None}
    return Annotated[kind, msgspec.Meta(**said)] if said else kind
