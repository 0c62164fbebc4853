"""What the benchmark of the edge posts, how its load client counts and times, and what it says of what was stored."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.loop_thread import close_listener
from test_benchmarks import BENCHMARKS, program

from streamlake.plugins.validators.orders import Order

__all__ = ["program"]

REQUEST = b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi"
Answer = Callable[[asyncio.Transport], None]
TURNS = 3
"""After so many of the loop a connection that was aborted has closed its socket."""


def answer(status: int, body: bytes = b"{}") -> bytes:
    return b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


@contextmanager
def served(*answers: Answer) -> Iterator[int]:
    """A server that gives these answers in turn, whoever asks; its port."""
    asked = iter(range(sys.maxsize))
    made: list[asyncio.Transport] = []

    class Each(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport
            made.append(transport)

        def data_received(self, data: bytes) -> None:
            assert data == REQUEST
            answers[next(asked) % len(answers)](self.transport)

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(Each, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_closed(server, made), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _closed(server: asyncio.Server, made: Sequence[asyncio.Transport]) -> None:
    """Nothing is left open: what a loop that has ended would have closed is a warning in another test."""
    await close_listener(server)
    for transport in made:
        transport.abort()
    for _ in range(TURNS):
        await asyncio.sleep(0)
    assert all(transport.get_extra_info("socket").fileno() == -1 for transport in made)


def in_two_pieces(transport: asyncio.Transport) -> None:
    whole = answer(202)
    transport.write(whole[:20])
    asyncio.get_running_loop().call_later(0.01, transport.write, whole[20:])


def late(transport: asyncio.Transport) -> None:
    asyncio.get_running_loop().call_later(0.05, transport.write, answer(202))


def load(port: int, folder: Path, *arguments: str) -> Any:
    file = folder / "requests"
    file.write_bytes(REQUEST)
    command = [sys.executable, str(BENCHMARKS / "edge" / "load.py"), str(port), str(file), str(len(REQUEST))]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def test_every_answer_is_counted_and_a_connection_that_was_closed_is_opened_again(tmp_path: Path) -> None:
    answers: list[Answer] = [
        lambda transport: transport.write(answer(202)),
        in_two_pieces,
        lambda transport: transport.write(answer(503)),
        lambda transport: transport.close(),
    ]
    with served(*answers) as port:
        found = load(port, tmp_path, "--connections", "3", "--requests", "40")
    assert (found["answers"], found["unanswered"]) == ({"202": 20, "503": 10}, 10)


def test_what_is_in_flight_at_the_end_is_waited_for_and_counted(tmp_path: Path) -> None:
    with served(late) as port:
        found = load(port, tmp_path, "--connections", "5", "--seconds", "0.02")
    assert found["answers"] == {"202": 5}
    assert found["seconds"] >= 0.05


def test_a_rate_is_kept_and_what_waits_for_a_connection_waits_on_its_own_account(tmp_path: Path) -> None:
    with served(late) as port:
        calm = load(port, tmp_path, "--connections", "20", "--seconds", "0.5", "--rate", "40")
        behind = load(port, tmp_path, "--connections", "1", "--seconds", "0.1", "--rate", "100")
    assert calm["answers"] == {"202": 20}
    assert calm["p50_ms"] >= 50
    assert behind["answers"] == {"202": 10}
    assert behind["p99_ms"] >= 300, "nine had to be answered before the tenth, 50 ms each"


def test_an_answer_is_whole_when_its_body_is(program: Any) -> None:
    answer_bytes, whole = program("load").answer_bytes, answer(202, b"12345")
    ends = [len(whole[:end]) >= answer_bytes(whole[:end]) for end in range(len(whole) + 1)]
    assert ends == [False] * len(whole) + [True]
    with pytest.raises(SystemExit, match="does not say how long it is"):
        answer_bytes(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")


def test_the_orders_have_the_length_they_are_said_to_have_and_the_model_takes_them(program: Any) -> None:
    posts = program("posts")
    for kind, records in (("single", 1), ("lines", 100)):
        made = posts.requests("/somewhere", kind, 20, records)
        assert len(set(map(len, made))) == 1, "the client finds each request by its length"
        lines = made[0].partition(b"\r\n\r\n")[2].split(b"\n")
        assert [len(line) for line in lines] == [posts.RECORD_BYTES] * records
        for line in lines:
            Order.model_validate_json(line)


@pytest.mark.parametrize(("in_topic", "said"), [(10, "each"), (7, "lost 3"), (12, "each, and 2 more")])
def test_what_was_stored_is_told(program: Any, in_topic: int, said: str) -> None:
    assert program("servers").verdict(10, in_topic) == said
