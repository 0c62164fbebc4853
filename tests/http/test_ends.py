"""The end of a worker, of the whole edge and of an idle connection costs nobody a request."""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.edge import RunningEdge, edge_yaml
from support.shared import SharedKafka
from support.waiting import wait_until
from uvicorn.config import Config
from uvicorn.server import ServerState

from streamlake.engine.local.ports import free_ports
from streamlake.http_edge.protocol import EdgeProtocol, WireLimits
from streamlake.http_edge.sockets import hang_up, let_nobody_in, turn_away

POST = b"POST /ingest/orders HTTP/1.1\r\nhost: edge\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
WIRE = WireLimits(
    header_seconds=5, body_seconds=5, idle_seconds=5, request_seconds=9, connections_max=9, body_max=1_000_000
)


@pytest.fixture
def listening() -> Any:
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


def workers_of(edge: RunningEdge) -> list[psutil.Process]:
    return psutil.Process(edge.process.pid).children()


def test_a_worker_holds_the_socket_that_it_accepts_from_and_no_other(kafka: SharedKafka, tmp_path: Path) -> None:
    # One that it only inherited would go on listening while it ends, and whoever connects there is reset.
    with RunningEdge(edge_yaml(tmp_path, kafka.bootstrap_servers, http__workers=3)) as edge:

        def held() -> list[int]:
            of_each = [worker.net_connections("tcp") for worker in workers_of(edge)]
            return [sum(one.status == psutil.CONN_LISTEN for one in connections) for connections in of_each]

        wait_until(lambda: held() == [1, 1, 1], lambda: str(held()))


def test_who_waits_to_be_accepted_when_the_edge_is_told_to_end_is_answered(kafka: SharedKafka, tmp_path: Path) -> None:
    with RunningEdge(edge_yaml(tmp_path, kafka.bootstrap_servers)) as edge:
        (worker,) = workers_of(edge)
        edge.signal(signal.SIGSTOP)  # so that it learns of both at once
        worker.kill()
        with edge.connect() as client:
            client.sendall(POST)  # nobody is there to take it
            edge.signal(signal.SIGTERM)
            edge.signal(signal.SIGCONT)
            answer = client.recv(1000)
        assert answer.startswith((b"HTTP/1.1 202 ", b"HTTP/1.1 503 ")), answer
        assert edge.wait() == 0


def test_who_waits_where_no_worker_accepts_is_turned_away_by_the_server(kafka: SharedKafka, tmp_path: Path) -> None:
    with RunningEdge(edge_yaml(tmp_path, kafka.bootstrap_servers)) as edge:
        (worker,) = workers_of(edge)
        worker.suspend()
        with edge.connect() as client:
            client.sendall(POST)
            edge.signal(signal.SIGTERM)
            answer = client.recv(1000)
        worker.resume()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"/docs#draining" in answer
        assert edge.wait() == 0


def test_a_body_that_comes_when_its_time_would_not_be_enough_any_more_is_refused_and_not_cut_off(
    kafka: SharedKafka, tmp_path: Path
) -> None:
    path = edge_yaml(tmp_path, kafka.bootstrap_servers, http__delivery_seconds=4, http__drain_seconds=6)
    with RunningEdge(path) as edge:
        waiting = [edge.connect() for _ in range(100)]
        for client in waiting:
            client.sendall(POST[:-1])  # let in by its head
        wait_until(lambda: b"connections 100.0" in edge.request("GET", "/metrics").body, edge.log)
        edge.signal(signal.SIGTERM)
        answers: list[bytes] = []

        def refused() -> bool:
            with waiting.pop() as client:
                client.sendall(POST[-1:])
                answers.append(client.recv(1000))
            return answers[-1].startswith(b"HTTP/1.1 503 ")

        wait_until(refused, lambda: str(answers))
        assert b"/docs#draining" in answers[-1]
        assert answers[0].startswith(b"HTTP/1.1 202 "), "while there is time, it is taken"
        for client in waiting:
            client.close()


def test_requests_that_come_all_the_time_are_answered_or_refused_when_the_edge_is_told_to_end(
    kafka: SharedKafka, tmp_path: Path
) -> None:
    broke: list[str] = []
    answered: list[bytes] = []

    def post_again_and_again(edge: RunningEdge) -> None:
        while True:
            try:
                client = socket.create_connection(edge.address, timeout=30)
            except ConnectionRefusedError:
                return
            with client:
                try:
                    client.sendall(POST)
                    answered.append(client.recv(1000))
                except OSError as error:
                    broke.append(str(error))

    with RunningEdge(edge_yaml(tmp_path, kafka.bootstrap_servers, http__workers=2)) as edge:
        clients = [threading.Thread(target=post_again_and_again, args=(edge,)) for _ in range(16)]
        for client in clients:
            client.start()
        wait_until(lambda: len(answered) > 100, edge.log)
        assert edge.end() == 0
        for client in clients:
            client.join()
    assert not broke
    assert {answer[:9] for answer in answered} == {b"HTTP/1.1 "}


def test_workers_whose_server_was_killed_end_in_order_and_leave_the_address_free(
    kafka: SharedKafka, tmp_path: Path
) -> None:
    path = edge_yaml(tmp_path, kafka.bootstrap_servers, http__workers=2, http__listen=f"127.0.0.1:{free_ports(1)[0]}")
    with RunningEdge(path) as killed:
        wait_until(lambda: len(workers_of(killed)) == 2, killed.log)
        killed.wait_for("kafka can be written to", count=4)  # both serve
        edge = workers_of(killed)
        with killed.connect() as client:
            client.sendall(POST[:-1])
            killed.process.kill()
            client.sendall(POST[-1:])
            assert client.recv(1000).startswith(b"HTTP/1.1 202 ")
        _, alive = psutil.wait_procs(edge, timeout=30)
        assert not alive
        with RunningEdge(path) as another:
            assert another.end() == 0


def test_a_socket_that_lets_nobody_in_can_still_be_accepted_from(listening: socket.socket) -> None:
    address = listening.getsockname()
    with socket.create_connection(address) as before, socket.socket() as late:
        assert let_nobody_in(listening), "Linux has such a filter"
        late.settimeout(0.3)
        with pytest.raises(TimeoutError):
            late.connect(address)
        accepted, _ = listening.accept()
        with accepted:
            before.sendall(b"what was to be said")
            assert accepted.recv(100) == b"what was to be said"
        listening.close()
        with socket.socket() as later, pytest.raises(ConnectionRefusedError):
            later.connect(address)


def test_who_is_turned_away_reads_why_and_who_has_said_nothing_sees_the_end(listening: socket.socket) -> None:
    listening.setblocking(False)  # as gunicorn has it
    address = listening.getsockname()
    with socket.create_connection(address, timeout=9) as one, socket.create_connection(address, timeout=9) as silent:
        one.sendall(POST[:-1])
        turning = threading.Thread(target=lambda: told.append(turn_away([listening], b"why", 3)))
        told: list[int] = []
        turning.start()
        assert one.recv(100) == b"why"
        one.sendall(POST[-1:])  # as a client does that has not looked yet: it is read, and nothing is reset
        assert one.recv(100) == b""
        one.close()
        turning.join()
        assert silent.recv(100) == b""
    assert told == [1]


def test_a_connection_is_not_ended_while_something_on_it_is_unread(listening: socket.socket) -> None:
    with socket.create_connection(listening.getsockname(), timeout=9) as client:
        accepted, _ = listening.accept()
        with accepted:
            client.sendall(b"GET")
            assert not hang_up(accepted.fileno())
            assert accepted.recv(100) == b"GET"
            assert hang_up(accepted.fileno())
            assert client.recv(100) == b"", "its end is there at once"


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop go round until it is so."""
    while not holds():  # noqa: ASYNC110  # nobody announces it
        await asyncio.sleep(0)


def test_an_idle_connection_whose_next_request_is_not_read_yet_is_kept() -> None:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None: ...

    async def idle() -> None:
        state, config = ServerState(), Config(app, log_config=None)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: EdgeProtocol(config, state, {}, limits=WIRE), "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            await until(lambda: bool(state.connections))
            (connection,) = state.connections
            assert isinstance(connection, EdgeProtocol)
            client.sendall(b"GET / HT")  # in the kernel: the loop has had no time to look
            connection.close_if_idle()
            assert not connection.transport.is_closing()
            await until(lambda: connection._phase == "head")
            connection.transport.abort()
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            await until(lambda: len(state.connections) == 1 and connection not in state.connections)
            (another,) = state.connections
            assert isinstance(another, EdgeProtocol)
            another.timeout_keep_alive_handler()
            assert another.transport.is_closing()
        server.close()

    asyncio.run(idle())
