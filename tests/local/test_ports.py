"""Free ports on the loopback, each handed out once."""

import socket
from pathlib import Path

from streamlake.engine.local.ports import LOOPBACK, free_ports, is_free


def test_ports_are_free_different_and_not_those_taken() -> None:
    taken = free_ports(3)
    ports = free_ports(50, taken)
    assert len(set(ports)) == 50
    assert not set(ports) & set(taken)
    assert all(is_free(port) for port in ports)


def test_no_port_is_one_that_a_client_may_get_as_its_source() -> None:
    first, last = (int(n) for n in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert not [port for port in free_ports(50) if first <= port <= last]


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    port = free_ports(1)[0]
    with socket.create_server((LOOPBACK, port)):
        assert not is_free(port)
    assert is_free(port)
