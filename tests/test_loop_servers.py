"""The tests' own servers close every connection, also of who dials while they are being stopped."""

import gc
import socket
import threading
import warnings
from collections.abc import Callable

import pytest
from support.fault_proxy import FaultProxy
from support.gcs.server import GcsServer
from support.loop_thread import LoopServer
from support.scripted_edge import ScriptedEdge

ROUNDS, DIALLED = 30, 100


@pytest.mark.parametrize(
    "make", [ScriptedEdge, GcsServer, lambda: FaultProxy("http://127.0.0.1:1")], ids=["edge", "gcs", "proxy"]
)
def test_a_server_that_is_stopped_among_its_callers_forgets_none(make: Callable[[], LoopServer]) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(ROUNDS):
            dialled: list[socket.socket] = []
            server = make().start()
            dialling = threading.Thread(target=dial, args=(server, dialled, begun := threading.Event()))
            dialling.start()
            assert begun.wait(30)
            server.stop()
            dialling.join()
            for connection in dialled:
                connection.close()
        gc.collect()
    assert [str(warning.message) for warning in said] == []


def dial(server: LoopServer, dialled: list[socket.socket], begun: threading.Event) -> None:
    for _ in range(DIALLED):
        try:
            dialled.append(socket.create_connection((server.host, server.port), timeout=30))
            begun.set()
        except OSError:  # it has stopped
            return
