"""Picks loopback ports that are free and stay free while a server is down for a moment."""

import random
import socket
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from streamlake.engine.errors import LocalError

LOOPBACK = "127.0.0.1"
PORT_MIN = 10_000
TRIES = 200


def free_ports(count: int, taken: Collection[int] = ()) -> list[int]:
    """`count` different ports of 127.0.0.1 on which nobody listens now, none of them in `taken`.

    They lie below the range that the kernel gives to outgoing connections. In that range a client which keeps
    trying to reach a stopped broker sooner or later gets the broker's own port as its source, connects to itself, and
    the broker can't bind when it comes back. Raises LocalError when none is found.
    """
    ports: list[int] = []
    for _ in range(TRIES):
        port = random.randrange(PORT_MIN, _ephemeral_port_min())  # noqa: S311  not a secret
        if port not in ports and port not in taken and is_free(port):
            ports.append(port)
        if len(ports) == count:
            return ports
    raise LocalError(f"no {count} free ports were found on {LOOPBACK} in {TRIES} tries")


def is_free(port: int) -> bool:
    """True when a server could listen on 127.0.0.1:`port` now."""
    with socket.socket() as probe:
        # As the JVM does: connections of a server before it that linger in TIME_WAIT don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _ephemeral_port_min() -> int:
    with suppress(OSError, ValueError):
        port = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        if port > PORT_MIN + TRIES:
            return port
    return 32_768
