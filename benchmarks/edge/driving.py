"""Runs the load client against a port, and reads what came of it."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from load import answer_bytes
from posts import requests

CLIENT = Path(__file__).with_name("load.py")
DIFFERENT = {1: 5_000, 100: 50}
"""How many different requests are prepared, by the records of each: they are sent over and over."""


@dataclass
class Run:
    """What came of one run of the client. `server_cpu` is put in by who looks at the server."""

    records: int
    """Of each request."""
    seconds: float
    cpu_seconds: float
    answers: dict[str, int]
    unanswered: int
    p50_ms: float = field(default=float("nan"))
    p99_ms: float = field(default=float("nan"))
    server_cpu: float = 0.0

    @property
    def acknowledged(self) -> int:
        """Records in requests that were answered with a 2xx."""
        return self.records * sum(count for status, count in self.answers.items() if status.startswith("2"))

    @property
    def other_answers(self) -> int:
        """Requests with another answer, or none."""
        return self.unanswered + sum(count for status, count in self.answers.items() if not status.startswith("2"))

    @property
    def rate(self) -> float:
        """Acknowledged records a second."""
        return self.acknowledged / self.seconds

    @property
    def load_share(self) -> float:
        """How much of a core the client used."""
        return self.cpu_seconds / self.seconds

    @property
    def cpu_a_million(self) -> float:
        """The server's CPU seconds for a million acknowledged records."""
        return self.server_cpu / max(1, self.acknowledged) * 1e6


class Driver:
    """The client, for one port; requests are kept in files in `folder`. `paths` are where each kind is posted to."""

    def __init__(self, port: int, folder: Path, paths: Mapping[str, str]) -> None:
        self.port, self._folder, self._paths = port, folder, paths

    def drive(self, kind: str, records: int, *arguments: object) -> Run:
        """Post requests of so many records each. Ends the benchmark where the client does not get on."""
        return self.begin(kind, records, *arguments)()

    def begin(self, kind: str, records: int, *arguments: object) -> Callable[[], Run]:
        """Begin to; what is returned waits for the end."""
        some = requests(self._paths[kind], kind, DIFFERENT[records], records)
        file = self._folder / f"{kind}-{records}"
        file.write_bytes(b"".join(some))
        command = [sys.executable, str(CLIENT), str(self.port), str(file), str(len(some[0])), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def finish() -> Run:
            said, wrong = process.communicate()
            if process.returncode:
                sys.exit(wrong.strip() or f"load: exit code {process.returncode}")
            found: dict[str, Any] = json.loads(said)
            return Run(records=records, **found)

        return finish

    def listens(self) -> bool:
        """Whether somebody does, on its port."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=10).close()
        except OSError:
            return False
        return True

    def wait_until_taken(self, seconds: float, alive: Callable[[], bool]) -> bool:
        """Return whether a record is taken, asking for so long, while the server lives."""
        (request,) = requests(self._paths["single"], "single", 1, 1)
        until = time.monotonic() + seconds
        while time.monotonic() < until and alive():
            if _status(self.port, request).startswith(b"2"):
                return True
            time.sleep(0.05)
        return False


def _status(port: int, request: bytes) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(request)
            data = b""
            while len(data) < answer_bytes(data):
                more = connection.recv(65536)
                if not more:
                    return b""
                data += more
            return data[9:12]
    except OSError:
        return b""
