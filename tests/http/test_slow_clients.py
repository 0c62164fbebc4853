"""Clients that are slow, silent or deaf: others are served meanwhile, and it is us who end them."""

import contextlib
import json
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.broker import unique
from support.edge import RunningEdge, edge_yaml
from support.herd import Herd
from support.shared import SharedKafka
from support.topic_counts import records_in
from support.waiting import wait_until
from support.wire import CLOSED, Wire, request

MANY, DEAF = 200, 50
ORDER = b'{"id":1}'
HEAD_SECONDS, BODY_SECONDS, IDLE_SECONDS, DELIVERY_SECONDS, REQUEST_SECONDS = 6, 6, 6, 8, 16
LATE_SECONDS = 5
"""What a machine with other work may need beyond a time-out."""
POSTS = 20
TIMES_SLOWER_MAX, MORE_SECONDS_MAX = 5, 0.2
"""How much longer an answer may take beside them: who has to wait for one of them waits for seconds."""
RECORDS = 600


@pytest.fixture(scope="module")
def edge(kafka: SharedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    """Short time-outs; and a topic with a long name, which makes long answers."""
    path = edge_yaml(
        tmp_path_factory.mktemp("edge"),
        kafka.bootstrap_servers,
        http__streams__orders__topic=unique("posted." + "x" * 200),
        http__header_seconds=HEAD_SECONDS,
        http__body_seconds=BODY_SECONDS,
        http__idle_seconds=IDLE_SECONDS,
        http__delivery_seconds=DELIVERY_SECONDS,
        http__request_seconds=REQUEST_SECONDS,
    )
    with RunningEdge(path) as running:
        yield running


def connections(edge: RunningEdge) -> int:
    """How many the edge has open, that which asks included; brought up to date now and then."""
    lines = edge.request("GET", "/metrics").body.decode().splitlines()
    return int(float(next(line for line in lines if line.startswith("streamlake_http_connections ")).split()[1]))


def others_are_served(edge: RunningEdge, alone: float) -> None:
    """One client after the other posts a record and gets its answer, in about the time of an answer alone."""
    assert median_post(edge) < TIMES_SLOWER_MAX * alone + MORE_SECONDS_MAX


def median_post(edge: RunningEdge) -> float:
    """Seconds until a record is answered, of POSTS one after the other."""
    took = []
    for number in range(POSTS):
        began = time.perf_counter()
        answered = edge.post(b'{"id":%d}' % number)
        took.append(time.perf_counter() - began)
        assert answered.status == 202
    return statistics.median(took)


def problem_in(heard: bytes) -> tuple[int, str]:
    """Status and kind of the one answer that was heard."""
    head, _, body = heard.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 "), heard
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    found = json.loads(body)
    return found["status"], found["type"]


@pytest.mark.parametrize(
    ("opening", "drip", "seconds"),
    [
        (b"POST /ingest/orders HTTP/1.1\r\nHost: edge\r\n", b"X-a: b\r\n", HEAD_SECONDS),
        (b"\r\n", b"\r\n", HEAD_SECONDS),
        (request(None, {"Content-Length": "100000"}), b" ", BODY_SECONDS),
        (request(None, {"Transfer-Encoding": "chunked"}), b"1\r\n \r\n", BODY_SECONDS),
    ],
    ids=["head", "nothing but line ends", "body", "chunks"],
)
def test_who_drips_is_told_and_ended(edge: RunningEdge, opening: bytes, drip: bytes, seconds: float) -> None:
    alone, before = median_post(edge), records_in(edge.config, edge.topic)
    with Herd(edge.address, MANY, opening, drip) as herd:
        others_are_served(edge, alone)
        assert herd.open == MANY, "they were gone while others were served"
        herd.wait_until_closed(seconds + LATE_SECONDS)
    assert {problem_in(each) for each in herd.heard} == {(408, "/docs#too-slow")}
    assert records_in(edge.config, edge.topic) == before + POSTS


def test_who_says_nothing_is_ended_without_a_word(edge: RunningEdge) -> None:
    alone = median_post(edge)
    with Herd(edge.address, MANY) as herd:
        others_are_served(edge, alone)
        assert herd.open == MANY, "they were gone while others were served"
        herd.wait_until_closed(HEAD_SECONDS + LATE_SECONDS)
    assert set(herd.heard) == {b""}


def test_who_stays_without_another_request_is_ended(edge: RunningEdge) -> None:
    alone = median_post(edge)
    with Herd(edge.address, MANY, request(None, start="GET /livez HTTP/1.1")) as herd:
        others_are_served(edge, alone)
        herd.wait_until_closed(IDLE_SECONDS + LATE_SECONDS)
    assert {each.split(b"\r\n")[0] for each in herd.heard} == {b"HTTP/1.1 200 OK"}
    assert {each.count(b"HTTP/1.1") for each in herd.heard} == {1}


def test_who_never_reads_an_answer_is_ended(edge: RunningEdge) -> None:
    body = b"\n".join([b"{}"] * RECORDS)
    asked = request(body, {"Content-Type": "application/x-ndjson"})
    alone, before = median_post(edge), records_in(edge.config, edge.topic)
    with Herd(edge.address, DEAF, asked, reads=False):
        wait_until(lambda: records_in(edge.config, edge.topic) >= before + DEAF * RECORDS, "their records")
        wait_until(lambda: connections(edge) >= DEAF, "them shown as connected")
        others_are_served(edge, alone)
        # They can't see their end, for they don't read: what counts is that the edge has let go of them.
        wait_until(lambda: connections(edge) < 5, "them let go of", REQUEST_SECONDS + LATE_SECONDS)


def test_who_reads_late_gets_the_whole_answer(edge: RunningEdge) -> None:
    asked = request(b"\n".join([b"{}"] * RECORDS), {"Content-Type": "application/x-ndjson"})
    before = records_in(edge.config, edge.topic)
    with Wire(edge.address, small=True) as late, Wire(edge.address) as idle:
        late.say(asked)
        wait_until(lambda: records_in(edge.config, edge.topic) == before + RECORDS, "its records")
        assert idle.say(request(ORDER)).answer().status == 202
        assert idle.is_closed(), "who has read all is ended after idle_seconds"
        answered = late.answer()
    assert (answered.status, len(answered.json["results"])) == (202, RECORDS)


def test_a_client_that_always_has_a_request_on_its_way_is_nobody_to_end(edge: RunningEdge) -> None:
    ends = time.monotonic() + REQUEST_SECONDS + 1.5
    answered = 0
    with Wire(edge.address) as wire:
        wire.say(request(ORDER) * 20)
        while time.monotonic() < ends:
            assert wire.answer().status == 202, f"ended after {answered} answers"
            answered += 1
            wire.say(request(ORDER))


def test_who_asks_faster_than_is_answered_does_not_fill_the_memory(edge: RunningEdge) -> None:
    (worker,) = psutil.Process(edge.process.pid).children()
    before = worker.memory_info().rss
    asked = request(None, start="GET /livez HTTP/1.1") * 2000
    ends, most, rest = time.monotonic() + 4, 0, memoryview(b"")
    with Wire(edge.address) as wire:
        wire.socket.settimeout(0.05)
        reader = Reader(wire.socket)
        reader.start()
        while time.monotonic() < ends:
            rest = rest or memoryview(asked)
            with contextlib.suppress(TimeoutError):
                rest = rest[wire.socket.send(rest) :]
            most = max(most, worker.memory_info().rss - before)
    reader.join(10)
    assert reader.answers > 1000
    assert most < 64 * 1024**2


class Reader(threading.Thread):
    """Reads all that comes, as fast as it comes, until the end."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(daemon=True)
        self.answers = 0
        self._socket = connection

    def run(self) -> None:
        while True:
            try:
                self.answers += self._socket.recv(1 << 20).count(b"HTTP/1.1 200")
            except TimeoutError:
                continue
            except OSError:
                return


def test_one_connection_too_many_is_told_and_the_others_go_on(kafka: SharedKafka, tmp_path: Path) -> None:
    with RunningEdge(edge_yaml(tmp_path, kafka.bootstrap_servers, http__connections_max=5)) as edge:
        wires = [Wire(edge.address) for _ in range(5)]
        assert [wire.say(request(ORDER)).answer().status for wire in wires] == [202] * 5
        with Wire(edge.address) as one_more:
            told = one_more.answer()
            assert (told.status, told.headers["retry-after"]) == (503, "1")
            assert told.json["type"] == "/docs#too-many-connections"
            assert one_more.is_closed()
        assert [wire.say(request(ORDER)).answer().status for wire in wires] == [202] * 5
        wires.pop().__exit__()
        wait_until(lambda: edge.request("GET", "/livez").status == 200, "a place for another one")
        for wire in wires:
            wire.__exit__()


def test_a_whole_request_of_a_client_that_says_no_more_is_answered(edge: RunningEdge) -> None:
    with Wire(edge.address) as wire:
        began = time.monotonic()
        wire.say(request(ORDER) * 3).no_more()
        assert [each.status for each in wire.answers()] == [202] * 3
        assert time.monotonic() - began < IDLE_SECONDS, "it was kept after its last answer"
    with Wire(edge.address) as wire:
        wire.say(request(ORDER)[:-1]).no_more()
        assert wire.answer() == CLOSED
