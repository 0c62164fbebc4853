"""Falcon as WSGI on gunicorn's gthread worker with 32 threads: each request waits in its thread for its records.

One worker, one producer, one thread that polls it, an event for each request. Falcon and gunicorn are the versions that
StreamLake itself is installed with.
"""

import threading
from collections.abc import Callable
from typing import Any

REQUIREMENTS: tuple[str, ...] = ()  # what StreamLake itself is installed with
THREADS = 32
DELIVERY_SECONDS = 10.0
POLL_SECONDS = 0.1


def command(port: int) -> list[str]:
    """Its command line, after the Python."""
    where = ["--bind", f"127.0.0.1:{port}", "--workers", "1", "--no-control-socket", "--log-level", "warning"]
    return [
        "-m",
        "gunicorn",
        *where,
        "--worker-class",
        "gthread",
        "--threads",
        str(THREADS),
        "falcon_gthread:make_app()",
    ]


class Sending:
    """A request's records on their way."""

    def __init__(self, count: int) -> None:
        self._left, self.good, self.done = count, True, threading.Event()

    def report(self, error: object, _message: object) -> None:
        """Called by the thread that polls."""
        self._left -= 1
        self.good = self.good and error is None
        if not self._left:
            self.done.set()


class Orders:
    """A resource: `split` makes records of a body."""

    def __init__(self, producer: Any, split: Callable[[bytes], list[bytes]]) -> None:
        from contender import TOPIC, checked  # noqa: PLC0415  (the file is imported by what starts it, too)

        self._producer, self._split, self._topic, self._checked = producer, split, TOPIC, checked

    def on_post(self, req: Any, resp: Any) -> None:
        """Check, send, wait, answer."""
        records = self._checked(self._split(req.bounded_stream.read()))
        sending = Sending(len(records))
        for record in records:
            self._producer.produce(self._topic, record, on_delivery=sending.report)
        stored = sending.done.wait(DELIVERY_SECONDS) and sending.good
        resp.status, resp.media = (202, {"stored": len(records)}) if stored else (503, {"stored": None})


def make_app() -> Any:
    """The application, made in the worker: no fork comes after the producer."""
    import falcon  # noqa: PLC0415
    from confluent_kafka import Producer  # noqa: PLC0415
    from contender import producer_settings  # noqa: PLC0415

    producer = Producer(producer_settings())

    def poll() -> None:
        while True:
            producer.poll(POLL_SECONDS)

    threading.Thread(target=poll, daemon=True).start()
    app = falcon.App()
    app.add_route("/orders", Orders(producer, lambda body: [body]))
    app.add_route("/orders/lines", Orders(producer, lambda body: body.split(b"\n")))
    return app
