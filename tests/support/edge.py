"""Runs `streamlake serve` as a user does, on topics of its own, and talks to it over a socket."""

import http.client
import json
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from support.broker import unique
from support.engine import Engine, pipeline_yaml
from support.topics import make_topic
from support.waiting import wait_until

from streamlake.config.load import load_pipeline

JSON = "application/json"
LINES = "application/x-ndjson"
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Answered:
    """One answer: status, headers by their names in small letters, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def edge_yaml(folder: Path, servers: str, **changes: Any) -> Path:
    """A pipeline with one stream, `orders`, on a new topic of two partitions with its dead letters; port 0, no keys.

    `changes` as in `pipeline_yaml`: `http__workers=2`, `http__streams__orders__key_field="/id"`.
    """
    topic = unique("posted")
    http = {"http__listen": "127.0.0.1:0", "http__workers": 1, "http__streams": {"orders": {}}}
    path = pipeline_yaml(folder, servers, topic, kafka__properties={}, **{**http, **changes})
    config = load_pipeline(path)
    for found in config.all_topics:
        make_topic(servers, exactly=found.name, partitions=2 if found.name == topic else 1)
    return path


class RunningEdge(Engine):
    """One `streamlake serve` process and its workers; ready to be posted to when the `with` begins."""

    def __init__(self, pipeline: Path, *arguments: str, ready: bool = True, env: dict[str, str] | None = None) -> None:
        super().__init__(pipeline, *arguments, env=env, verb="serve")
        self.config = load_pipeline(pipeline)
        try:
            self.url = str(self.wait_for("listening")["url"])
            self.address = ("127.0.0.1", int(self.url.rpartition(":")[2]))
            if ready:
                wait_until(lambda: self.request("GET", "/readyz").status == 200, self.log)
        except BaseException:
            self.kill_everything()
            raise

    @property
    def topic(self) -> str:
        """The topic of the stream `orders`."""
        assert self.config.http is not None
        return self.config.topic_of(self.config.http.streams["orders"])

    @property
    def dead_letter_topic(self) -> str:
        """The dead-letter topic of the stream `orders`."""
        assert self.config.http is not None
        topic = self.config.dead_letter_topic_of(self.config.http.streams["orders"])
        assert topic is not None
        return topic.name

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = NOTHING
    ) -> Answered:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answered(response.status, found, response.read())
        finally:
            connection.close()

    def post(self, body: bytes, kind: str = JSON, path: str = "/ingest/orders", **headers: str) -> Answered:
        """Post a body; `headers` with `_` for `-`: `idempotency_key="a"`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", path, body, {"content-type": kind, **named})

    def connect(self) -> socket.socket:
        """A connection of one's own, to say anything on."""
        return socket.create_connection(self.address, timeout=30)

    def end(self, seconds: float = 60.0) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)
