"""FastAPI, `async def` endpoints and aiokafka: `send_and_wait` for one record, `send` and `gather` for many.

uvicorn with uvloop and httptools, one worker. acks=all, idempotent, linger 2 ms, no compression: its codecs would run
on the event loop.
"""

from typing import Any

from fastapi_flush import REQUIREMENTS

__all__ = ["REQUIREMENTS", "make_app"]


def make_app() -> Any:
    """The application."""
    import asyncio  # noqa: PLC0415  (the file is imported by what starts it, too)
    import os  # noqa: PLC0415
    from collections.abc import AsyncIterator  # noqa: PLC0415
    from contextlib import asynccontextmanager  # noqa: PLC0415

    from aiokafka import AIOKafkaProducer  # noqa: PLC0415
    from contender import LINGER_MS, TOPIC, checked  # noqa: PLC0415
    from fastapi import FastAPI, Request  # noqa: PLC0415

    servers = os.environ["BENCH_SERVERS"]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings = {"acks": "all", "enable_idempotence": True, "linger_ms": LINGER_MS}
        async with AIOKafkaProducer(bootstrap_servers=servers, **settings) as app.state.producer:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/orders", status_code=202)
    async def one(request: Request) -> dict[str, int]:
        (record,) = checked([await request.body()])
        await app.state.producer.send_and_wait(TOPIC, record)
        return {"stored": 1}

    @app.post("/orders/lines", status_code=202)
    async def lines(request: Request) -> dict[str, int]:
        records = checked((await request.body()).split(b"\n"))
        await asyncio.gather(*[await app.state.producer.send(TOPIC, record) for record in records])
        return {"stored": len(records)}

    return app
