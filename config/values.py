"""The kinds of value a pipeline's YAML knows: sizes, durations, names, addresses, points in time."""

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
)

Loc = tuple[str | int, ...]
"""Where a value stands in the YAML: keys of mappings and numbers of list items, from the top."""


class Elsewhere(str):
    """Text of a YAML in another folder than the first one: should it be a relative path, it starts there."""

    __slots__ = ("folder",)
    folder: Path

    def __new__(cls, text: str, folder: Path) -> Self:
        """Text `text` of a YAML in the absolute `folder`."""
        elsewhere = super().__new__(cls, text)
        elsewhere.folder = folder
        return elsewhere


class Filled(Elsewhere):
    """Text that a variable gave, whole: it becomes a number or a bool where one is wanted.

    `wanted` is what stands in the YAML (`${PORT:-8080}`); `secret` says that the text may never be printed.
    """

    __slots__ = ("secret", "wanted")
    wanted: str
    secret: bool

    def __new__(cls, text: str, wanted: str, folder: Path, *, secret: bool = False) -> Self:
        """Text `text` in the place of `wanted`, in a YAML in the absolute `folder`."""
        filled = super().__new__(cls, text, folder)
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
        return str(value) if isinstance(value, Elsewhere) else value
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
    _check_address(value, "must be host:port, as in 127.0.0.1:9464")
    return value


def _check_address(value: str, wanted: str) -> None:
    match = re.fullmatch(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):(?P<port>[0-9]{1,9})", value)
    if match is None:
        raise ValueError(wanted)
    if int(match["port"]) > PORT_MAX:
        raise ValueError(f"must have a port of {PORT_MAX} at most")


def server_list(value: str) -> str:
    """`host:port[,host:port…]` as librdkafka takes it, each part checked."""
    for part in value.split(","):
        scheme, slashes, address = part.strip().rpartition("://")
        if slashes and scheme.upper() not in _SCHEMES:
            raise ValueError(f"must be host:port without {scheme}:// in front, as in 127.0.0.1:9092")
        _check_address(address, "must be host:port, or several with commas between, as in 127.0.0.1:9092")
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


def beside_the_file(value: object, info: ValidationInfo) -> object:
    """A relative path made absolute from its YAML's folder (of the first YAML: the context's `base_dir`)."""
    base_dir: Path | None = (info.context or {}).get("base_dir")
    if base_dir is None or not isinstance(value, str | Path):
        return value
    return (value.folder if isinstance(value, Elsewhere) else base_dir) / value


def pem(value: object, info: ValidationInfo) -> Path | SecretStr:
    """PEM text as a secret, or the path of a file of it, made absolute as by `beside_the_file`.

    What is neither may be a key whose first line is gone: it is not taken for a path, which a message would show.
    """
    if isinstance(value, Path | SecretStr):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a path, or PEM text that begins with -----BEGIN")  # noqa: TRY004  # pydantic's protocol
    if "-----BEGIN" in value:
        return SecretStr(str(value))
    if "\n" in value or len(value) > PATH_LENGTH_MAX or (isinstance(value, Filled) and value.secret):
        raise ValueError("is no PEM text: it has no line -----BEGIN …-----")
    return Path(str(beside_the_file(value, info)))


def _text_of_secret(value: object) -> object:
    return str(value) if isinstance(value, Filled) else setting_text(value)


PATH_LENGTH_MAX = 160
"""Of the path to a PEM file, as it is written: every key without its first line is longer."""

PORT_MAX = 65535
_SCHEMES = frozenset({"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"})
"""What librdkafka takes in front of a broker's address; it skips a broker with any other."""

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
PathBeside = Annotated[Path, BeforeValidator(beside_the_file)]
Pem = Annotated[Path | SecretStr, PlainValidator(pem), WithJsonSchema({"type": "string"})]
"""A path, or the PEM text itself."""
