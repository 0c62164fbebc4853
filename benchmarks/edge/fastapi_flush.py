"""FastAPI, `def` endpoints, one producer, `flush()` before each answer: what tutorials show.

uvicorn with uvloop and httptools, one worker; the endpoints run in its pool of 40 threads. A flush waits for everything
that the process has sent, not for one request's records alone.
"""

from typing import Annotated, Any

REQUIREMENTS = (
    *("fastapi==0.163.2", "uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0"),
    *("aiokafka==0.14.0", "confluent-kafka==2.16.1", "pydantic==2.14.3"),
)
"""Of everything that stands on FastAPI: one environment. What StreamLake has, too, is of its version."""
FLUSH_SECONDS = 10.0


def make_app() -> Any:
    """The application."""
    from confluent_kafka import Producer  # noqa: PLC0415  (the file is imported by what starts it, too)
    from contender import TOPIC, checked, producer_settings  # noqa: PLC0415
    from fastapi import Depends, FastAPI, HTTPException, Request  # noqa: PLC0415

    app = FastAPI()
    producer = Producer(producer_settings())

    async def body_of(request: Request) -> bytes:
        return await request.body()

    Body = Annotated[bytes, Depends(body_of)]  # noqa: N806  # a type

    def store(records: list[bytes]) -> dict[str, int]:
        failed: list[object] = []
        for record in records:
            producer.produce(TOPIC, record, on_delivery=lambda error, _: failed.append(error) if error else None)
        if producer.flush(FLUSH_SECONDS) or failed:
            raise HTTPException(503, "Kafka did not take all of it")
        return {"stored": len(records)}

    @app.post("/orders", status_code=202)
    def one(body: Body) -> dict[str, int]:
        return store(checked([body]))

    @app.post("/orders/lines", status_code=202)
    def lines(body: Body) -> dict[str, int]:
        return store(checked(body.split(b"\n")))

    return app
