"""A collector of traces for tests: takes OTLP over HTTP, and answers as it is told."""

import gzip
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector(ThreadingHTTPServer):
    """Keeps the requests it has had, in order. `answer` is the status it gives; None: it never answers."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: int | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[ExportTraceServiceRequest] = []
        self.paths: list[str] = []
        self.answer, self.asked, self.closing = answer, threading.Event(), threading.Event()

    @property
    def address(self) -> str:
        """What OTEL_EXPORTER_OTLP_ENDPOINT is to be."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> list[Span]:
        """All spans that have come."""
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def resources(self) -> list[dict[str, str | int]]:
        """The attributes of each sender, as often as it has sent."""
        return [plain(one.resource.attributes) for request in self.requests for one in request.resource_spans]


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.server.paths.append(self.path)
        self.server.asked.set()
        if self.server.answer is None:
            self.server.closing.wait(60)
            return
        self.send_response(self.server.answer)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class calls it so
        """Nobody reads it."""


def plain(attributes: Iterable[KeyValue]) -> dict[str, str | int]:
    """Attributes as a dictionary; ours are texts and whole numbers."""
    found: dict[str, str | int] = {}
    for one in attributes:
        text = one.value.WhichOneof("value") == "string_value"
        found[one.key] = one.value.string_value if text else one.value.int_value
    return found


@contextmanager
def collector(answer: int | None = 200) -> Iterator[Collector]:
    """A collector that listens on this host."""
    server = Collector(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
