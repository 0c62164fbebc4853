"""A service manager's end of NOTIFY_SOCKET: a real datagram socket, by a path or by an abstract name."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Self

from support.waiting import wait_until


class Manager:
    """Collects what is sent to it; `environment` is what a service is started with."""

    def __init__(self, folder: Path, *, abstract: bool = False, watchdog_seconds: float | None = None) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"@streamlake-test-{os.getpid()}-{id(self)}" if abstract else str(folder / "notify")
        self._socket.bind(f"\0{name[1:]}" if abstract else name)
        self._socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": name}
        if watchdog_seconds is not None:
            self.environment["WATCHDOG_USEC"] = str(round(watchdog_seconds * 1e6))
        self._said: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def said(self) -> list[str]:
        """The messages so far."""
        while True:
            try:
                self._said.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return self._said

    def wait_for(self, beginning: str, log: Callable[[], str], times: int = 1) -> None:
        """Wait until so many messages with this beginning have come."""
        wait_until(lambda: sum(one.startswith(beginning) for one in self.said()) >= times, log)
