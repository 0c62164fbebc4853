"""The kinds of value a pipeline's YAML knows: sizes, durations, names, addresses, points in time."""

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, WithJsonSchema

Loc = tuple[str | int, ...]
"""Where a value stands in the YAML: keys of mappings and numbers of list items, from the top."""


class Filled(str):
    """Text that a variable gave, whole: it becomes a number or a bool where one is wanted.

    `wanted` is what stands in the YAML (`${PORT:-8080}`); `secret` says that the text may never be printed.
    """

    __slots__ = ("secret", "wanted")
    wanted: str
    secret: bool

    def __new__(cls, text: str, wanted: str, *, secret: bool = False) -> Self:
        """Text `text` in the place of `wanted`."""
        filled = super().__new__(cls, text)
        filled.wanted, filled.secret = wanted, secret
        return filled


class SeveralProblemsError(ValueError):
    """Problems found by one validator, each at a place below the validated value."""

    def __init__(self, *problems: tuple[Loc, str]) -> None:
        super().__init__("; ".join(sentence for _, sentence in problems))
        self.problems = problems


def plain(value: object) -> object:
    """What a YAML author would have written instead of the variable: a number, a bool or text."""
    if not isinstance(value, Filled):
        return value
    if value in {"true", "false"}:
        return value == "true"
    for kind, pattern in ((int, _INT), (float, _FLOAT)):
        if pattern.fullmatch(value):
            return kind(value)
    return str(value)


def plain_deep(value: object) -> object:
    """`plain` for every value inside mappings and lists: for sections whose types are a plugin's own."""
    if isinstance(value, dict):
        return {key: plain_deep(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_deep(item) for item in value]
    return plain(value)


def size_in_bytes(value: object) -> object:
    """`128MiB`, `64 kB` or plain bytes as a whole number of bytes; anything else is left for pydantic to refuse."""
    value = plain(value)
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError("must be a size: bytes, or a number with B, kB, MB, GB, KiB, MiB or GiB, as in 64MiB")
    return int(float(match["number"]) * _SIZE_UNITS[match["unit"].lower()])


def seconds(value: object) -> object:
    """`60s`, `5m`, `250ms` or plain seconds as seconds; anything else is left for pydantic to refuse."""
    value = plain(value)
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError("must be a duration: seconds, or a number with ms, s, m, h or d, as in 60s")
    return float(match["number"]) * _DURATION_UNITS[match["unit"]]


def setting_text(value: object) -> object:
    """A number or bool as Kafka writes it (`604800000`, `true`), text as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def topic_name(value: str) -> str:
    """A name that Kafka takes for a topic. Source: org.apache.kafka.common.internals.Topic.validate."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) or value in {".", ".."}:
        raise ValueError("is no legal topic name: 1 to 249 of the characters a-z A-Z 0-9 . _ -, and neither . nor ..")
    return value


def pipeline_name(value: str) -> str:
    """A name that is safe in file names, client ids and metrics."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", value):
        raise ValueError("must be 1 to 100 of the characters a-z A-Z 0-9 . _ -, beginning with a letter or digit")
    return value


def host_port(value: str) -> str:
    """`host:port` with a port from 0 (any free one) to 65535; an IPv6 host stands in brackets."""
    match = re.fullmatch(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):(?P<port>[0-9]{1,5})", value)
    if match is None or int(match["port"]) > 65535:
        raise ValueError("must be host:port, as in 127.0.0.1:9464")
    return value


def server_list(value: str) -> str:
    """`host:port[,host:port…]` as librdkafka takes it, each part checked."""
    for part in value.split(","):
        try:
            host_port(part.strip().rpartition("://")[2])
        except ValueError:
            raise ValueError("must be host:port, or several with commas between, as in 127.0.0.1:9092") from None
    return value


def start_position(value: str) -> str:
    """`earliest`, `latest`, `committed`, or an ISO 8601 timestamp with its zone."""
    if value in {"earliest", "latest", "committed"}:
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        allowed = "earliest, latest, committed or a timestamp with its zone, as in 2026-01-31T06:00:00Z"
        raise ValueError(f"must be {allowed}") from None
    if moment.tzinfo is None:
        raise ValueError("is a timestamp without a zone: write the zone too, as in 2026-01-31T06:00:00Z")
    return value


def beside_the_file(value: Path, info: ValidationInfo) -> Path:
    """A relative path made absolute from the YAML's folder (the validation context's `base_dir`)."""
    base_dir: Path | None = (info.context or {}).get("base_dir")
    return value if base_dir is None else base_dir / value


def _text_of_secret(value: object) -> object:
    return str(value) if isinstance(value, Filled) else setting_text(value)


_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?[0-9]+\.[0-9]*([eE][-+]?[0-9]+)?")
_SIZE = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?)\s*(?P<unit>(|b|[kmg]i?b))", re.IGNORECASE)
_SIZE_UNITS = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
_DURATION = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?)\s*(?P<unit>(|ms|s|m|h|d))")
_DURATION_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

VARIABLE_SCHEMA = {"type": "string", "pattern": r"\$\{.+\}"}
"""JSON Schema of a value that a variable gives; it may stand where a number or one of some words is wanted."""


def _schema(*kinds: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [*kinds, VARIABLE_SCHEMA]})


Whole = Annotated[int, Field(strict=True), BeforeValidator(plain)]
Fraction = Annotated[float, Field(strict=True), BeforeValidator(plain)]
Size = Annotated[
    int,
    Field(strict=True),
    BeforeValidator(size_in_bytes),
    _schema({"type": "integer"}, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*([kKmMgG]?[iI]?[bB])?$"}),
]
Seconds = Annotated[
    float,
    Field(strict=True),
    BeforeValidator(seconds),
    _schema({"type": "number"}, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d)?$"}),
]
SettingText = Annotated[str, BeforeValidator(setting_text), WithJsonSchema({"type": ["string", "number", "boolean"]})]
Secret = Annotated[SecretStr, BeforeValidator(_text_of_secret)]
TopicName = Annotated[str, AfterValidator(topic_name)]
PipelineName = Annotated[str, AfterValidator(pipeline_name)]
HostPort = Annotated[str, AfterValidator(host_port)]
ServerList = Annotated[str, AfterValidator(server_list)]
StartPosition = Annotated[str, AfterValidator(start_position)]
PathBeside = Annotated[Path, AfterValidator(beside_the_file)]
