"""Many clients that mean no good, each on a connection of its own, in one thread beside the test."""

import contextlib
import selectors
import socket
import threading
from typing import Self

from support.wire import connected

DRIP_SECONDS = 0.2


class Herd:
    """`count` clients that say `opening`, then `drip` over and over, a little at a time, until the server closes.

    With `reads=False` they say it and never read: their kernel takes as little as it can be told to.
    """

    def __init__(
        self, address: tuple[str, int], count: int, opening: bytes = b"", drip: bytes = b"", *, reads: bool = True
    ) -> None:
        self.heard: list[bytes] = []
        """What each has heard by its end, in the order of their ends."""
        self._drip, self._reads = drip, reads
        self._ended, self._stop = threading.Condition(), threading.Event()
        self._heard: dict[socket.socket, bytearray] = {}
        for _ in range(count):
            self._heard[self._connected(address, opening)] = bytearray()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        for client in self._heard:
            client.close()

    @property
    def open(self) -> int:
        """How many the server has not closed."""
        return len(self._heard) - len(self.heard)

    def wait_until_closed(self, seconds: float) -> None:
        """Return when the server has closed all of them; fails where it has not after `seconds`."""
        with self._ended:
            assert self._ended.wait_for(lambda: not self.open, seconds), f"{self.open} are open after {seconds:g} s"

    def _connected(self, address: tuple[str, int], opening: bytes) -> socket.socket:
        client = connected(address, small=not self._reads)
        client.sendall(opening)
        client.setblocking(False)
        return client

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for client in self._heard if self._reads else ():
                selector.register(client, selectors.EVENT_READ)
            place = 0
            while not self._stop.is_set():
                events = selector.select(DRIP_SECONDS)
                for key, _ in events:
                    assert isinstance(key.fileobj, socket.socket)
                    self._hear(selector, key.fileobj)
                if not events and self._drip:
                    self._say(selector, self._drip[place : place + 1])
                    place = (place + 1) % len(self._drip)

    def _hear(self, selector: selectors.BaseSelector, client: socket.socket) -> None:
        try:
            piece = client.recv(65_536)
        except ConnectionResetError:
            piece = b""
        self._heard[client] += piece
        if not piece:
            selector.unregister(client)
            with self._ended:
                self.heard.append(bytes(self._heard[client]))
                self._ended.notify_all()

    def _say(self, selector: selectors.BaseSelector, piece: bytes) -> None:
        for key in selector.get_map().values():
            assert isinstance(key.fileobj, socket.socket)
            with contextlib.suppress(OSError):
                key.fileobj.send(piece)
