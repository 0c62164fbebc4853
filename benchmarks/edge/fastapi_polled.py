"""FastAPI, `async def` endpoints and a thread that polls confluent-kafka: one wake-up of the loop for each batch.

uvicorn with uvloop and httptools, one worker. The thread counts each request's records down and hands the requests that
are complete to the loop, all of one poll together: the better one of two ways that are common.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi_flush import REQUIREMENTS

__all__ = ["REQUIREMENTS", "make_app"]
POLL_SECONDS = 0.1


class Sending:
    """A request's records on their way; when Kafka has answered for the last, it is put into `reported`."""

    def __init__(self, count: int, reported: "list[Sending]") -> None:
        self._left, self._reported, self.good = count, reported, True
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def report(self, error: object, _message: object) -> None:
        """Called by the thread that polls."""
        self._left -= 1
        self.good = self.good and error is None
        if not self._left:
            self._reported.append(self)


class Poller:
    """The thread, and what it has heard of and not yet told the loop."""

    def __init__(self, producer: Any) -> None:
        self._producer, self.reported, self._ended = producer, list[Sending](), threading.Event()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._poll)
        self._thread.start()

    def _poll(self) -> None:
        while not self._ended.is_set():
            self._producer.poll(POLL_SECONDS)
            if self.reported:
                self._loop.call_soon_threadsafe(_resolve, self.reported.copy())
                self.reported.clear()

    def end(self) -> None:
        """Wait for the thread's end."""
        self._ended.set()
        self._thread.join()


def _resolve(some: list[Sending]) -> None:
    for sending in some:
        if not sending.done.done():
            sending.done.set_result(sending.good)


def make_app() -> Any:
    """The application."""
    from confluent_kafka import Producer  # noqa: PLC0415  (the file is imported by what starts it, too)
    from contender import TOPIC, checked, producer_settings  # noqa: PLC0415
    from fastapi import FastAPI, HTTPException, Request  # noqa: PLC0415

    producer = Producer(producer_settings())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.poller = Poller(producer)
        yield
        await asyncio.to_thread(app.state.poller.end)

    async def store(records: list[bytes]) -> dict[str, int]:
        sending = Sending(len(records), app.state.poller.reported)
        for record in records:
            producer.produce(TOPIC, record, on_delivery=sending.report)
        if not await sending.done:
            raise HTTPException(503, "Kafka did not take all of it")
        return {"stored": len(records)}

    app = FastAPI(lifespan=lifespan)

    @app.post("/orders", status_code=202)
    async def one(request: Request) -> dict[str, int]:
        return await store(checked([await request.body()]))

    @app.post("/orders/lines", status_code=202)
    async def lines(request: Request) -> dict[str, int]:
        return await store(checked((await request.body()).split(b"\n")))

    return app
