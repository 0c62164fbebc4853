"""The `http:` section of a pipeline's YAML: where the edge listens, who may post, and the streams that it takes."""

import re
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from streamlake.config.kafka import TopicSettings
from streamlake.config.plugin import PluginSettings
from streamlake.config.section import Section
from streamlake.config.values import (
    VARIABLE_SCHEMA,
    HostPort,
    Loc,
    PathBeside,
    Seconds,
    SeveralProblemsError,
    Size,
    TopicName,
    Whole,
    plain,
)

LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain"})


def stream_name(value: str) -> str:
    """A name that stands in an address as it is."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", value):
        raise ValueError("must be 1 to 100 of the characters a-z A-Z 0-9 . _ -, beginning with a letter or digit")
    return value


def records_a_second(value: object) -> object:
    """`1000/s`, `600/m` or a plain number as records a second."""
    value = plain(value)
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(?P<number>[0-9]+(\.[0-9]+)?)\s*/\s*(?P<unit>s|m|h)", value.strip())
    if match is None:
        raise ValueError("must be a rate: records a second, or a number with /s, /m or /h, as in 1000/s")
    return float(match["number"]) / {"s": 1, "m": 60, "h": 3600}[match["unit"]]


def json_pointer(value: str) -> str:
    """A JSON pointer (RFC 6901) to a value below the top."""
    if not re.fullmatch(r"(/([^~/]|~[01])*)+", value):
        raise ValueError("must be a JSON pointer, as in /customer_id")
    return value


Rate = Annotated[
    float,
    Field(strict=True),
    BeforeValidator(records_a_second),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number"},
                {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*/\s*[smh]$"},
                VARIABLE_SCHEMA,
            ]
        }
    ),
]


class StreamDeadLetters(Section):
    """Where the records go that a stream refuses."""

    topic: TopicSettings = Field(description="The topic; there is no file beside it as for the pipeline's own.")


class StreamSettings(Section):
    """One stream: what `POST /ingest/NAME` takes, and where it goes. What is left out is the pipeline's own."""

    topic: TopicName | None = Field(
        default=None,
        description="The topic that accepted records go to. Default: the pipeline's, where it reads one. Change it "
        "where the pipeline reads several topics, or to a topic that it does not read.",
    )
    dead_letters: StreamDeadLetters | None = Field(
        default=None, description="Where refused records go. Default: the pipeline's dead-letter topic."
    )
    validator: PluginSettings | None = Field(
        default=None, description="Decides which records are accepted. Default: the pipeline's validator."
    )
    key_field: Annotated[str, AfterValidator(json_pointer)] | None = Field(
        default=None,
        description="JSON pointer to the value that becomes the record's key, e.g. /customer_id. Default: none; "
        "records without a key are spread over the partitions. Change it to keep what belongs together in one "
        "partition and in order.",
    )
    body_max: Annotated[Size, Field(ge=1, le=64 * 1024**2)] = Field(
        default=1024**2,
        description="Bytes of a request's body at most, as they are sent. Default: 1MiB. Change it for larger "
        "requests (more); each one is held in memory.",
    )
    decompressed_max: Annotated[Size, Field(ge=1, le=256 * 1024**2)] = Field(
        default=8 * 1024**2,
        description="Bytes of a gzip or zstd body at most, once decompressed. Default: 8MiB. Change it with "
        "`body_max`, where clients compress.",
    )
    ratio_max: Annotated[Whole, Field(ge=1, le=100_000)] = Field(
        default=200,
        description="How many times its size a compressed body may grow, beyond its first MiB. Default: 200. Change "
        "it where honest bodies shrink further, as equal lines do (more).",
    )
    records_max: Annotated[Whole, Field(ge=1, le=100_000)] = Field(
        default=1000,
        description="Records in a request at most. Default: 1000. Change it for clients that send more at once; a "
        "request is answered as a whole.",
    )
    rate: Annotated[Rate, Field(gt=0, le=1e9)] | None = Field(
        default=None,
        description="Records a second that each API key may send to it, e.g. 1000/s. Default: no limit. Change it "
        "where one client shall not crowd out the others.",
    )


class HttpSettings(Section):
    """The HTTP edge of a pipeline: `streamlake serve` runs it."""

    listen: HostPort = Field(
        default="127.0.0.1:8080",
        description="host:port to listen on; port 0 is any free one. Default: 127.0.0.1:8080. Change it to be reached "
        "from elsewhere, as in 0.0.0.0:8080; then it needs `keys_file`, or `auth: none`.",
    )
    workers: Annotated[Whole, Field(ge=1, le=256)] = Field(
        default=2,
        description="Worker processes; one a core is enough. Default: 2. Change it to as many cores as the edge may "
        "use.",
    )
    auth: Literal["keys", "none"] | None = Field(
        default=None,
        description="Who may post: holders of a key of `keys_file`, or anybody (none). Default: keys where keys_file "
        "is given, none where it is not and only this machine is listened to. Change it to none where something "
        "before the edge has asked already who it is.",
    )
    keys_file: PathBeside | None = Field(
        default=None,
        description="The file of `streamlake keys`, relative to this file. Default: none. Change it to let in only "
        "who has a key; `streamlake keys new` makes the file.",
    )
    streams: Annotated[dict[Annotated[str, AfterValidator(stream_name)], StreamSettings], Field(min_length=1)] = Field(
        description="The streams by name: `POST /ingest/NAME`."
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description="Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed. Default: none. "
        "Change it where a proxy or load balancer of yours stands before the edge.",
    )
    connections_max: Annotated[Whole, Field(ge=1, le=100_000)] = Field(
        default=1000,
        description="Open connections of each worker at most. Default: 1000. Change it for more clients that stay "
        "connected (more); each takes memory and a file descriptor.",
    )
    queue_bytes_max: Annotated[Size, Field(ge=64 * 1024, le=2 * 1024**3)] = Field(
        default=32 * 1024**2,
        description="Bytes of records of each worker that wait for Kafka at most; beyond it answers 503. Default: "
        "32MiB. Change it to bridge longer waits for Kafka without 503 (more), or for smaller workers (less).",
    )
    header_seconds: Annotated[Seconds, Field(gt=0, le=600)] = Field(
        default=5.0,
        description="How long a request's head may take, from its connection or first byte. Default: 5s. Change it "
        "for clients on very slow lines (more).",
    )
    body_seconds: Annotated[Seconds, Field(gt=0, le=3600)] = Field(
        default=15.0,
        description="How long a request's body may take. Default: 15s. Change it for large bodies on slow lines "
        "(more), with `request_seconds`.",
    )
    idle_seconds: Annotated[Seconds, Field(gt=0, le=3600)] = Field(
        default=60.0,
        description="How long a connection may be open between two requests. Default: 60s. Change it to more than "
        "what a load balancer before the edge keeps idle connections, or it meets closed ones.",
    )
    delivery_seconds: Annotated[Seconds, Field(ge=0.1, le=300)] = Field(
        default=5.0,
        description="How long Kafka may take for a record; after that its outcome is unknown. Default: 5s. Change it "
        "where Kafka's replicas answer slowly (more), or where clients can't wait (less).",
    )
    request_seconds: Annotated[Seconds, Field(gt=0, le=3600)] = Field(
        default=30.0,
        description="How long a whole request may take, the client's reading of the answer included. Default: 30s. "
        "Change it with `body_seconds` and `delivery_seconds`: it has to be their sum and a second at least.",
    )
    drain_seconds: Annotated[Seconds, Field(ge=1, le=3600)] = Field(
        default=30.0,
        description="How long a worker may take to answer what is in flight when told to end. Default: 30s. Change it "
        "with `delivery_seconds`: it has to be two seconds more at least; what stops the edge has to wait longer than "
        "it.",
    )

    @property
    def authorized(self) -> bool:
        """Whether a key is asked for."""
        return self.auth == "keys" or (self.auth is None and self.keys_file is not None)

    @property
    def address(self) -> tuple[str, int]:
        """`listen` as host (without brackets) and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @model_validator(mode="after")
    def _fits_together(self) -> "HttpSettings":
        problems: list[tuple[Loc, str]] = []
        if self.auth == "keys" and self.keys_file is None:
            problems.append((("keys_file",), "is missing: `auth: keys` needs it; `streamlake keys new` makes it"))
        if self.auth is None and self.keys_file is None and not is_loopback(self.address[0]):
            why = f"is missing: {self.listen} is reached from elsewhere; give keys_file, or say `auth: none`"
            problems.append((("auth",), why))
        if self.auth == "none" and self.keys_file is not None:
            problems.append((("keys_file",), "is not used: auth is none"))
        # Each limit ends before the one that waits for it.
        least = self.body_seconds + self.delivery_seconds + 1
        if self.request_seconds < least:
            why = f"must be at least {least:g}: body_seconds + delivery_seconds + 1, for an answer after both"
            problems.append((("request_seconds",), f"{self.request_seconds:g} {why}"))
        if self.drain_seconds < self.delivery_seconds + 2:
            least = self.delivery_seconds + 2
            why = f"must be at least {least:g}: delivery_seconds + 2, to answer what is in flight"
            problems.append((("drain_seconds",), f"{self.drain_seconds:g} {why}"))
        if problems:
            raise SeveralProblemsError(*problems)
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host in LOOPBACK_NAMES
