"""Drives a server over HTTP and costs little: one process, raw sockets, epoll, requests that only have to be written.

    python benchmarks/edge/load.py PORT FILE LENGTH [--connections 64] [--seconds 5] [--requests N] [--rate R]

FILE holds requests of LENGTH bytes each, one behind the other; they are sent in turn. Without a rate each connection
asks again as soon as it is answered; with one, R requests a second are due at even times and take any free connection,
and what a request waits for one counts as its own time. At the end all that is asked is waited for, so `answers` is
exact. Prints one line of JSON; `cpu_seconds` are this process's own.
"""

import argparse
import json
import select
import socket
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

READ_BYTES = 256 * 1024
SEND_BUFFER_BYTES = 1024 * 1024
PATIENCE_SECONDS = 30.0
SHARES = {"p50_ms": 0.5, "p99_ms": 0.99}


class Connection:
    """One connection, on which one request at a time is asked."""

    __slots__ = ("due", "port", "receive", "rest", "send", "socket")

    def __init__(self, port: int) -> None:
        self.port = port
        self.due = 0.0
        """When the request was, or should have been, sent; 0 while there is none."""
        self.rest = b""
        """The beginning of an answer whose end has not come."""
        self.open()

    def open(self) -> None:
        """Connect; again, where the server has hung up."""
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.socket.setblocking(False)
        self.send, self.receive = self.socket.send, self.socket.recv

    def ask(self, request: bytes, due: float) -> None:
        """Send a whole request: the socket's buffer is larger."""
        self.due = due
        if self.send(request) != len(request):
            _give_up(f"a request of {len(request)} bytes does not fit into a socket's buffer: net.core.wmem_max")


class Load:
    """What is asked, how often, and what came of it."""

    def __init__(self, port: int, requests: Sequence[bytes], connections: int) -> None:
        self._requests = requests
        self._asked = 0
        self._epoll = select.epoll()
        self._by_number: dict[int, Connection] = {}
        for _ in range(connections):
            self._register(Connection(port))
        self._free = deque(self._by_number.values())
        self.answers: Counter[bytes] = Counter()
        self.unanswered = 0
        self.seconds_each = array("d")

    def run(self, seconds: float, requests_max: int, rate: float) -> float:
        """Ask for so long, or so often; then wait for what is in flight. Returns how many seconds it took in all."""
        began = heard = now = time.perf_counter()
        until = began + seconds
        while True:
            may = self._asked < requests_max
            while self._free and may:
                due = began + self._asked / rate if rate else now
                if due > now or due >= until:
                    break
                self._ask(self._free.popleft(), due)
                may = self._asked < requests_max
            over = not may or (began + self._asked / rate if rate else now) >= until
            if over and len(self._free) == len(self._by_number):
                return now - began
            next_due = began + self._asked / rate if rate and self._free and not over else now + 1.0
            if self._hear(max(0.0, next_due - now)):
                heard = time.perf_counter()
            now = time.perf_counter()
            if len(self._free) < len(self._by_number) and now - heard > PATIENCE_SECONDS:
                _give_up(f"no answer for {PATIENCE_SECONDS:g} s")

    def _ask(self, connection: Connection, due: float) -> None:
        connection.ask(self._requests[self._asked % len(self._requests)], due)
        self._asked += 1

    def _hear(self, seconds: float) -> bool:
        """Take what has come; wait up to `seconds` for it, to the microsecond: epoll itself knows milliseconds."""
        events = self._epoll.poll(0)
        if not events and seconds:
            select.select([self._epoll], (), (), seconds)
            events = self._epoll.poll(0)
        for number, _ in events:
            connection = self._by_number[number]
            try:
                data = connection.receive(READ_BYTES)
            except ConnectionResetError:
                data = b""
            if not data:
                self._again(connection)
                continue
            if connection.rest:
                data = connection.rest + data
            if len(data) < answer_bytes(data):
                connection.rest = data
                continue
            self.answers[data[9:12]] += 1
            self.seconds_each.append(time.perf_counter() - connection.due)
            connection.rest, connection.due = b"", 0.0
            self._free.append(connection)
        return bool(events)

    def _register(self, connection: Connection) -> None:
        number = connection.socket.fileno()
        self._by_number[number] = connection
        self._epoll.register(number, select.EPOLLIN)

    def _again(self, connection: Connection) -> None:
        """The server has hung up."""
        del self._by_number[connection.socket.fileno()]
        connection.socket.close()
        if connection.due:
            self.unanswered += 1
            connection.rest, connection.due = b"", 0.0
            self._free.append(connection)
        connection.open()
        self._register(connection)


def answer_bytes(data: bytes) -> float:
    """How long the answer is that begins here; endless while its head is not all there."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return float("inf")
    head = data[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        _give_up(f"an answer does not say how long it is: {head[:200]!r}")
    return end + 4 + int(head[at + 17 :].partition(b"\r\n")[0])


def shares(seconds_each: Sequence[float]) -> dict[str, float]:
    """The time, in ms, within which a share of the requests was answered; nothing where none was."""
    ordered = sorted(seconds_each)
    return {name: 1000 * ordered[int(share * (len(ordered) - 1))] for name, share in SHARES.items() if ordered}


def main() -> int:
    """Ask, and print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("length", type=int)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--requests", type=int, default=sys.maxsize)
    parser.add_argument("--rate", type=float, default=0.0)
    wanted = parser.parse_args()
    said = wanted.file.read_bytes()
    requests = [said[at : at + wanted.length] for at in range(0, len(said), wanted.length)]
    load = Load(wanted.port, requests, wanted.connections)
    began = time.process_time()
    seconds = load.run(wanted.seconds, wanted.requests, wanted.rate)
    found = {
        "seconds": seconds,
        "cpu_seconds": time.process_time() - began,
        "answers": {status.decode(): count for status, count in load.answers.items()},
        "unanswered": load.unanswered,
        **shares(load.seconds_each),
    }
    print(json.dumps(found))
    return 0


def _give_up(why: str) -> NoReturn:
    sys.exit(f"load: {why}")


if __name__ == "__main__":
    sys.exit(main())
