"""Clients of a tortured edge, a thread each: they post, keep or end connections, and write down what they were told.

    python tests/torture/edge/client.py PORT SEED FIRST COUNT JOURNAL

A process of their own, so that they are never what the edge waits for. Ends when its standard input does, after each
has had its last answer. The journal has one line for each request that was sent, with the times of its first byte and
of its outcome (CLOCK_MONOTONIC, which all processes of a machine share).
"""

import errno
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

sys.path.insert(0, str(Path(__file__).parents[2]))

import orjson
from torture.edge.sent import Request, request_of

ANSWER_SECONDS_MAX = 30.0
ATTEMPTS_MAX = 3
PAUSES_SECONDS = [0.0, 0.0, 0.0, 0.0, 0.0, 0.02, 0.05, 0.1, 0.3, 1.0, 2.0]
"""Between two requests; the long ones are about as long as the edge keeps a connection on which nothing happens."""
REQUESTS_PER_CONNECTION = [1, 5, 20, 100]
AGAIN_SECONDS = 0.1
ESTABLISHED, CLOSE, CLOSE_WAIT = 1, 7, 8
"""States of a connection, as Linux numbers them in TCP_INFO."""


class Journal:
    """A file of JSON lines that all clients of this process write to, and counts of what is no request."""

    def __init__(self, file: BinaryIO) -> None:
        self.counts: Counter[str] = Counter()
        self._file, self._lock = file, threading.Lock()

    def write(self, line: dict[str, Any]) -> None:
        """Add a line."""
        with self._lock:
            self._file.write(orjson.dumps(line) + b"\n")

    def count(self, what: str) -> None:
        """Count something."""
        with self._lock:
            self.counts[what] += 1


class Client:
    """One client: one request at a time, on one connection at a time."""

    def __init__(self, port: int, seed: int, number: int, journal: Journal, over: threading.Event) -> None:
        self._port, self._seed, self._number = port, seed, number
        self._journal, self._over = journal, over
        self._luck = random.Random(f"{seed} client {number}")
        self._wire: socket.socket | None = None
        self._left = 0

    def run(self) -> None:
        """Post until it is over."""
        number = 0
        while not self._over.wait(self._luck.choice(PAUSES_SECONDS)):
            self._post(request_of(self._seed, self._number, number))
            number += 1
        self._hang_up()

    def _post(self, request: Request) -> None:
        """One request; one with an Idempotency-Key again while its outcome is unknown."""
        for attempt in range(ATTEMPTS_MAX if request.idempotency_key else 1):
            told = self._exchange(request)
            if told is None:
                return
            self._journal.write({"client": request.client, "request": request.number, "attempt": attempt, **told})
            if told.get("status", 504) != 504 or self._over.wait(AGAIN_SECONDS):
                return

    def _exchange(self, request: Request) -> dict[str, Any] | None:
        """Send it, on a new connection where the old one has ended meanwhile; what came of it.

        None where it was over before there was one.
        """
        while (wire := self._connected()) is not None:
            sent = time.monotonic()
            raced = _send(wire, request.wire(), request.pause_seconds)
            if raced is not None:
                told = _answer(wire)
                self._left -= 1
                if "status" not in told or told.pop("ends") or self._left <= 0:
                    self._hang_up()
                return {"sent": sent, "done": time.monotonic(), "raced": raced, **told}
            self._journal.count("a connection had ended before anything was sent on it")
            self._hang_up()
        return None

    def _connected(self) -> socket.socket | None:
        while self._wire is None and not self._over.is_set():
            try:
                self._wire = socket.create_connection(("127.0.0.1", self._port), timeout=ANSWER_SECONDS_MAX)
            except OSError as error:
                self._journal.count(f"could not connect: {errno.errorcode.get(error.errno or 0, str(error))}")
                self._over.wait(AGAIN_SECONDS)
            else:
                self._wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._left = self._luck.choice(REQUESTS_PER_CONNECTION)
        return self._wire

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None


def _send(wire: socket.socket, pieces: Sequence[bytes], pause_seconds: float) -> bool | None:
    """Send a request. None where the connection had ended before, and nothing was sent.

    Else whether the edge's FIN was there when the first piece was sent, which the edge could not know then.
    """
    raced: bool | None = None
    try:
        if _state(wire) != ESTABLISHED:
            return None
        for piece in pieces:
            if raced is not None:
                threading.Event().wait(pause_seconds)  # a slow client
            wire.sendall(piece)
            if raced is None:
                raced = _has_ended(wire)
    except OSError:
        pass  # what it was told before the connection broke it reads all the same
    return raced


def _has_ended(wire: socket.socket) -> bool:
    """Whether the other side's FIN has arrived; a reset without one is another thing."""
    state = _state(wire)
    if state == CLOSE:
        return wire.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.EPIPE
    return state == CLOSE_WAIT


def _state(wire: socket.socket) -> int:
    return wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def _answer(wire: socket.socket) -> dict[str, Any]:
    """The answer: `status`, `answer`, and whether it `ends` the connection; or in `broke` how there was none."""
    got = b""
    try:
        while b"\r\n\r\n" not in got:
            more = wire.recv(65_536)
            if not more:
                return {"broke": "ended" if not got else "ended within the answer"}
            got += more
        head, _, body = got.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers["content-length"]):
            more = wire.recv(65_536)
            if not more:
                return {"broke": "ended within the answer"}
            body += more
    except TimeoutError:
        return {"broke": f"no answer within {ANSWER_SECONDS_MAX:g} s"}
    except OSError as error:
        return {"broke": errno.errorcode.get(error.errno or 0, str(error))}
    return {
        "status": int(first.split()[1]),
        "answer": orjson.loads(body),
        "ends": headers.get("connection", "").lower() == "close",
    }


def main() -> None:
    """The command."""
    port, seed, first, count = map(int, sys.argv[1:5])
    over = threading.Event()
    with Path(sys.argv[5]).open("wb") as file:
        journal = Journal(file)
        clients = [Client(port, seed, number, journal, over) for number in range(first, first + count)]
        threads = [threading.Thread(target=client.run) for client in clients]
        for thread in threads:
            thread.start()
        sys.stdin.buffer.read()
        over.set()
        for thread in threads:
            thread.join()
        journal.write({"counts": dict(journal.counts)})


if __name__ == "__main__":
    main()
