"""Quix Streams: a streaming dataframe that parses, validates with the model of an order, and writes JSON lines.

Its own file sink, its defaults but for `commit_every` and `commit_interval`, which are raised so that it writes fewer
files. At least once. A record that the model refuses is dropped by a filter.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

GUARANTEE = "at least once"
REQUIREMENTS = ("quixstreams==3.28.1", "pydantic==2.13.4")
COMMIT_SECONDS = 10.0
IDLE_SECONDS = 10.0  # how it knows that it has all: its own `count` counts what comes out only


def run(servers: str, topic: str, folder: str) -> None:
    """Read until nothing has come for a while."""
    from orders import Order  # noqa: PLC0415
    from pydantic import ValidationError  # noqa: PLC0415
    from quixstreams import Application  # noqa: PLC0415
    from quixstreams.sinks.community.file.local import LocalFileSink  # noqa: PLC0415

    def validated(value: bytes | None) -> Any:
        try:
            return Order.model_validate_json(value or b"").model_dump(mode="json")
        except ValidationError:
            return None

    app = Application(
        broker_address=servers,
        consumer_group=f"quix-{topic}-{Path(folder).name}",
        auto_offset_reset="earliest",
        commit_interval=COMMIT_SECONDS,
        loglevel="WARNING",
    )
    orders = app.dataframe(app.topic(topic, value_deserializer="bytes"))
    orders = orders.apply(validated).filter(lambda order: order is not None)
    orders.sink(LocalFileSink(directory=folder, format="json"))
    app.run(timeout=IDLE_SECONDS)


def landed(folder: Path) -> Iterator[bytes]:
    """The JSON text of each record that it landed."""
    for file in sorted(folder.rglob("*.json*")):
        yield from file.read_bytes().splitlines()


if __name__ == "__main__":
    run(*sys.argv[1:])
