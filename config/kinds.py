"""What a setting takes, in a reader's words: kind, unit and limits; and a value as a YAML would have it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from streamlake.config import values
from streamlake.config.columns import column_name
from streamlake.config.http import json_pointer, records_a_second, stream_name
from streamlake.config.quality import limit, scalar

SIZE, DURATION = "size", "duration"

_BY_FUNCTION: Mapping[Callable[..., Any], str] = {
    values.size_in_bytes: SIZE,
    values.seconds: DURATION,
    values.setting_text: "text, number, true or false",
    values.topic_name: "topic name",
    values.pipeline_name: "name",
    values.host_port: "host:port",
    values.server_list: "host:port, …",
    values.start_position: "`earliest` \\| `latest` \\| `committed` \\| timestamp with its zone",
    records_a_second: "rate, as in 1000/s",
    stream_name: "name",
    json_pointer: "JSON pointer",
    column_name: "column",
    scalar: "text, number, true or false",
    limit: "number, date or timestamp",
}
"""What the functions that read a value take."""
_BY_TYPE = {int: "whole number", float: "number", bool: "`true` \\| `false`", str: "text", Path: "path"}
_SIZE_UNITS = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))
_DURATION_UNITS = (("d", 86_400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001))


def takes(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """`whole number, 1 to 50,000,000`, for a field's annotation and what stands beside it."""
    metadata = [part for found in metadata for part in (found.metadata if isinstance(found, FieldInfo) else [found])]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return takes(inner[0], [*inner[1:], *metadata])
    if origin is Literal:
        return " \\| ".join(f"`{word}`" for word in inner)
    if origin is tuple:
        return f"list of: {takes(inner[0])}"
    if origin is dict:
        return f"mapping of names to: {takes(inner[1])}"
    kind = _kind(metadata)
    if kind is None and origin in (Union, UnionType):
        return " or ".join(takes(one, metadata) for one in inner if one is not NoneType)
    kind = kind or ("text, a secret" if annotation is SecretStr else _BY_TYPE[annotation])
    return ", ".join(part for part in (kind, _limits(kind, metadata)) if part)


def shown(value: object, annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """A value as a YAML has it: `128MiB`, `60s`, `none`; of a secret that it is one."""
    if value is None:
        return "none"
    if isinstance(value, SecretStr):
        return "(secret)"
    kind = takes(annotation, metadata)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return shown_number(value, kind.partition(",")[0]).replace(",", "")  # these are for readers of the page
    return ", ".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def shown_number(value: float, kind: str = "") -> str:
    """A number of this kind: with the largest unit of which it is a whole multiple."""
    if kind == SIZE:
        return next(
            (f"{value // size:g}{unit}" for unit, size in _SIZE_UNITS if value and not value % size), f"{value}"
        )
    if kind == DURATION:
        # A minute is 60s, two minutes are 120s: what people say. An hour is 1h.
        units = _DURATION_UNITS if value >= 600 else _DURATION_UNITS[3:]
        return next((f"{value / size:g}{unit}" for unit, size in units if value >= size and _whole(value / size)), "0")
    return f"{value:,.0f}" if _whole(value) else f"{value:g}"


def _kind(metadata: Iterable[Any]) -> str | None:
    return next((_BY_FUNCTION[part.func] for part in metadata if getattr(part, "func", None) in _BY_FUNCTION), None)


def _limits(kind: str, metadata: Iterable[Any]) -> str:
    found = {
        name: shown_number(limit_of, kind)
        for part in metadata
        for name in ("ge", "gt", "le", "lt", "min_length", "max_length")
        if (limit_of := getattr(part, name, None)) is not None
    }
    least = found.get("ge") or found.get("min_length") or (f"more than {found['gt']}" if "gt" in found else "")
    most = found.get("le") or found.get("max_length") or (f"less than {found['lt']}" if "lt" in found else "")
    if most:
        return f"{least} to {most}{' characters' if 'max_length' in found else ''}"
    return f"{least} or more" if least and "min_length" not in found else ""


def _whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-9


def value_at(section: BaseModel, path: str) -> str:
    """The value of a setting (`batch.bytes_max`), as a YAML has it; `none` where a section on the way is left out."""
    name, _, below = path.partition(".")
    value, field = getattr(section, name), type(section).model_fields[name]
    if below:
        return "none" if value is None else value_at(value, below)
    return shown(value, field.annotation, field.metadata)
