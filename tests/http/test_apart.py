"""What must not take a worker's memory or its threads: bodies on their way, and records that end processes."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from streamlake.engine.records import Verdict
from streamlake.http_edge import gate
from streamlake.http_edge.admission import Admitted
from streamlake.http_edge.apart import AT_ONCE, Apart
from streamlake.http_edge.edge import Edge
from streamlake.http_edge.problems import ProblemError


class Stream:
    """As much of a stream as reading a body asks for."""

    class settings:  # noqa: N801  (an attribute of a stream)
        body_max = 1000


class Counting:
    """As much of an edge, and of an admitted request, as reading a body asks for."""

    def __init__(self) -> None:
        self.reading_bytes = 0
        self.stream = Stream


def read(edge: Counting, events: Iterator[dict[str, Any]]) -> bytes:
    async def receive() -> dict[str, Any]:
        return next(events)

    return asyncio.run(gate._body(cast("Edge", edge), cast("Admitted", edge), receive))


def pieces(*parts: bytes) -> Iterator[dict[str, Any]]:
    for part in parts:
        yield {"type": "http.request", "body": part, "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}


def test_what_is_read_is_counted_until_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    edge = Counting()
    assert read(edge, pieces(b"a", b"bc")) == b"abc"
    assert edge.reading_bytes == 0
    monkeypatch.setattr(gate, "READING_BYTES_MAX", 100)
    edge.reading_bytes = 90  # of others
    with pytest.raises(ProblemError, match="queue-full"):
        read(edge, pieces(b"x" * 8, b"y" * 8))
    assert edge.reading_bytes == 90


def test_a_client_that_goes_gives_its_bytes_back() -> None:
    edge = Counting()
    events = iter([next(pieces(b"abc")), {"type": "http.disconnect"}])
    with pytest.raises(gate.GoneError):
        read(edge, events)
    assert edge.reading_bytes == 0


def test_few_bodies_are_decided_apart_at_once_and_the_next_is_told_to_come_again() -> None:
    apart, go_on = Apart(), threading.Event()

    def decide() -> Verdict:
        assert go_on.wait(30)
        return Verdict()

    async def worked() -> int:
        running = [asyncio.ensure_future(apart.run(decide)) for _ in range(AT_ONCE)]
        await asyncio.sleep(0)
        with pytest.raises(ProblemError, match="queue-full"):
            await apart.run(decide)
        go_on.set()
        await asyncio.gather(*running)
        return len([await apart.run(Verdict)])

    assert asyncio.run(worked()) == 1
