"""Picks loopback ports that are free and stay free while a server is down for a moment."""

import random
import socket
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from streamlake.engine.errors import LocalError

LOOPBACK = "127.0.0.1"
PORT_MIN = 10_000
PORT_MAX = 65_535
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


def ports_to_listen_on(count: int, first: int | None = None, last_time: Sequence[int] = ()) -> list[int]:
    """`first` and the following ones, else those of the last time if they are still free, else free ones.

    Raises LocalError when `first` can't be had.
    """
    if first is None:
        if last_time and all(is_free(port) for port in last_time):
            return list(last_time)
        return free_ports(count)
    if not 1 <= first <= PORT_MAX - count + 1:
        raise LocalError(f"port {first} is none that can be listened on: choose one from 1 to {PORT_MAX - count + 1}")
    wanted = list(range(first, first + count))
    for port in wanted:
        if not is_free(port):
            raise LocalError(
                f"port {port} of {LOOPBACK} is taken (or needs more rights); stop what listens there, choose another "
                "--port, or leave it out for a free one"
            )
    return wanted


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
