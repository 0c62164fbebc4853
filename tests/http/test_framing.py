"""Where a request begins and ends: what is read one way only, what is refused, and what is asked for at all."""

from collections.abc import Iterator

import pytest
from support.edge import Answered, RunningEdge, edge_yaml
from support.shared import SharedKafka
from support.topic_counts import records_in
from support.waiting import wait_until
from support.wire import CLOSED, Wire, in_chunks, request

ORDER = b'{"id":1}'
CHUNKED = {"Transfer-Encoding": "chunked"}
ASKS_FIRST = {"Expect": "100-continue"}


@pytest.fixture(scope="module")
def edge(kafka: SharedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    path = edge_yaml(tmp_path_factory.mktemp("edge"), kafka.bootstrap_servers, http__streams__orders__body_max=100_000)
    with RunningEdge(path) as running:
        yield running


def said(edge: RunningEdge, *data: bytes) -> Answered:
    """The answer to what is said in these pieces, on a connection of its own."""
    with Wire(edge.address) as wire:
        for piece in data:
            wire.say(piece)
        return wire.answer()


def kind_of(answered: Answered) -> tuple[int, str]:
    """Status and kind of a problem."""
    assert answered.headers["content-type"] == "application/problem+json", answered
    return answered.status, answered.json["type"].removeprefix("/docs#")


@pytest.mark.parametrize(
    "data",
    [
        request(ORDER),
        request(ORDER, start="POST /ingest/orders HTTP/1.0"),
        request(ORDER, start="POST http://edge/ingest/orders HTTP/1.1"),
        request(ORDER, start="POST /ingest/%6frders HTTP/1.1"),
        b"\r\n\r\n" + request(ORDER),
        request(None, CHUNKED) + in_chunks(ORDER),
        request(None, CHUNKED) + in_chunks(*(bytes([each]) for each in ORDER)),
        request(None, CHUNKED) + in_chunks(ORDER, extension=b';a;b="c"'),
        request(None, CHUNKED) + in_chunks(ORDER, trailer=b"X-Checksum: 1\r\n"),
        request(None, {"Transfer-Encoding": "CHUNKED"}) + in_chunks(ORDER),
        request(None, CHUNKED) + b"00008\r\n" + ORDER + b"\r\n000\r\n\r\n",
    ],
)
def test_what_http_allows_is_taken_however_it_is_cut_into_pieces(edge: RunningEdge, data: bytes) -> None:
    assert said(edge, data).status == 202
    assert said(edge, *(data[at : at + 7] for at in range(0, len(data), 7))).status == 202


@pytest.mark.parametrize(
    "data",
    [
        request(ORDER).replace(b"\r\n", b"\n"),
        request(ORDER, {"X-Folded": "a\r\n b"}),
        request(ORDER, {"X-Nul": "a\0b"}),
        request(ORDER, {"X-Cr": "a\rb"}),
        request(ORDER, {"X Space": "a"}),
        request(ORDER, {"Upgrade": "websocket", "Connection": "Upgrade"}),
        request(ORDER, {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAA"}),
        request(ORDER, start="POST /ingest/\xfforders HTTP/1.1"),
        request(ORDER, start="POST /ingest/or ders HTTP/1.1"),
        request(ORDER, start="POST http://edge HTTP/1.1"),
        request(ORDER, start="POST /ingest/orders HTTP/2.0"),
        request(ORDER, start="POST /ingest/orders"),
        request(ORDER, start="BREW /ingest/orders HTTP/1.1"),
        b"CONNECT edge:80 HTTP/1.1\r\nHost: edge\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03" + bytes(200),
        b"\0" * 100,
        request(None, CHUNKED) + in_chunks(ORDER).replace(b"\r\n", b"\n"),
        request(None, CHUNKED) + b"0x8\r\n" + ORDER + b"\r\n0\r\n\r\n",
        request(None, CHUNKED) + b"-8\r\n" + ORDER + b"\r\n0\r\n\r\n",
        request(None, CHUNKED) + b"7\r\n" + ORDER + b"\r\n0\r\n\r\n",
        request(None, CHUNKED) + b"10000000000000008\r\n" + ORDER + b"\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_http_of_ours_is_refused_and_ends_the_connection(edge: RunningEdge, data: bytes) -> None:
    before = records_in(edge.config, edge.topic)
    with Wire(edge.address) as wire:
        assert kind_of(wire.say(data).answer()) == (400, "bad-request")
        assert wire.is_closed()
    assert records_in(edge.config, edge.topic) == before


@pytest.mark.parametrize(
    ("data", "said_of_it"),
    [
        (request(ORDER, {"X-Long": "a" * 33_000}), "bytes"),
        (request(ORDER, {"X-Long": "a" * 1_000_000}), "bytes"),
        (request(ORDER, {f"X-{number}": "a" * 900 for number in range(40)}), "bytes"),
        (request(ORDER, start=f"POST /ingest/orders?{'a' * 33_000} HTTP/1.1"), "bytes"),
        (request(ORDER, {f"X-{number}": "a" for number in range(98)}), "headers"),
    ],
)
def test_a_head_has_its_limits_in_one_piece_or_many(edge: RunningEdge, data: bytes, said_of_it: str) -> None:
    for pieces in ([data], [data[at : at + 1000] for at in range(0, len(data), 1000)]):
        answered = said(edge, *pieces)
        assert kind_of(answered) == (431, "headers-too-large")
        assert said_of_it in answered.json["detail"]


def test_a_head_without_an_end_is_refused_as_soon_as_it_is_too_large(edge: RunningEdge) -> None:
    data = request(ORDER, {"X-Long": "a" * 1_000_000}).partition(b"aaa\r\n")[0]
    assert kind_of(said(edge, data)) == (431, "headers-too-large")


def test_a_head_within_its_limits_is_taken(edge: RunningEdge) -> None:
    assert said(edge, request(ORDER, {"X-Long": "a" * 32_000})).status == 202
    assert said(edge, request(ORDER, {f"X-{number}": "a" for number in range(97)})).status == 202


def test_a_trailer_is_no_header(edge: RunningEdge) -> None:
    data = request(None, {**CHUNKED, "Content-Type": "text/plain"})
    answered = said(edge, data + in_chunks(ORDER, trailer=b"Content-Type: application/json\r\n"))
    assert kind_of(answered) == (415, "unsupported-type")
    data = request(None, CHUNKED) + in_chunks(ORDER, trailer=b"Idempotency-Key: a b\r\nContent-Encoding: gzip\r\n")
    assert said(edge, data).status == 202


@pytest.mark.parametrize(
    ("twice", "status", "kind"),
    [
        ({"content-type": "text/plain"}, 415, "unsupported-type"),
        ({"Content-Encoding": "gzip", "content-encoding": "identity"}, 415, "unsupported-type"),
        ({"Idempotency-Key": "a", "idempotency-key": "b"}, 400, "bad-request"),
    ],
)
def test_a_header_that_says_two_things_says_neither(
    edge: RunningEdge, twice: dict[str, str], status: int, kind: str
) -> None:
    assert kind_of(said(edge, request(ORDER, twice))) == (status, kind)


@pytest.mark.parametrize("accept", ["garbage", "application/json;q=much", ";", ","])
def test_an_accept_that_is_no_list_of_types_is_told(edge: RunningEdge, accept: str) -> None:
    assert kind_of(said(edge, request(ORDER, {"Accept": accept}))) == (400, "bad-request")


def test_an_address_with_more_slashes_is_another_one(edge: RunningEdge) -> None:
    assert kind_of(said(edge, request(ORDER, start="POST //ingest/orders HTTP/1.1"))) == (404, "not-found")


# lengths


def test_a_body_without_a_length_is_411(edge: RunningEdge) -> None:
    assert kind_of(said(edge, request())) == (411, "length-required")


@pytest.mark.parametrize("chunked", [False, True])
def test_of_a_body_that_is_cut_short_nothing_is_stored(edge: RunningEdge, chunked: bool) -> None:
    lines = {"Content-Type": "application/x-ndjson"}
    whole = request(ORDER + b"\n" + ORDER, lines)
    if chunked:
        whole = request(None, {**CHUNKED, **lines}) + in_chunks(ORDER + b"\n", ORDER)
    before, gone = records_in(edge.config, edge.topic), gone_count(edge)
    with Wire(edge.address) as wire:
        assert wire.say(whole[:-6]).no_more().answer() == CLOSED
    wait_until(lambda: gone_count(edge) == gone + 1, "the request counted as gone")
    assert records_in(edge.config, edge.topic) == before


def gone_count(edge: RunningEdge) -> float:
    """How many requests have ended with their client's going away."""
    lines = edge.request("GET", "/metrics").body.decode().splitlines()
    found = [line for line in lines if line.startswith('streamlake_http_requests_total{outcome="gone"')]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def test_what_follows_a_body_is_the_next_request(edge: RunningEdge) -> None:
    with Wire(edge.address) as wire:
        wire.say(request(ORDER) + request(b"no json"))
        assert [wire.answer().status, wire.answer().status] == [202, 422]
        wire.say(request(ORDER) + b"surplus")
        assert [each.status for each in wire.answers()] == [202, 400]


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        (b"surplus", 400),
        (request(ORDER, {"X-Long": "a" * 33_000}), 431),
        (request(ORDER, {"Content-Length": "8, 8"}), 400),
        (request(None, CHUNKED) + b"8\r\n" + ORDER + b"?", 400),
    ],
    ids=["no request", "too large a head", "two lengths", "a broken chunk"],
)
def test_what_is_broken_is_told_after_the_answers_to_what_came_before(
    edge: RunningEdge, broken: bytes, status: int
) -> None:
    before = records_in(edge.config, edge.topic)
    with Wire(edge.address) as wire:
        answers = wire.say(request(ORDER) * 3 + broken).answers()
    assert [each.status for each in answers] == [202, 202, 202, status]
    assert records_in(edge.config, edge.topic) == before + 3


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(edge: RunningEdge) -> None:
    with Wire(edge.address) as wire:
        wire.say(request(None, {"Content-Length": "100001"}))
        assert kind_of(wire.answer()) == (413, "too-large")


def test_a_body_in_chunks_is_refused_as_soon_as_it_is_too_large(edge: RunningEdge) -> None:
    with Wire(edge.address) as wire:
        wire.say(request(None, CHUNKED) + b"1000000\r\n" + b" " * 100_001)
        assert kind_of(wire.answer()) == (413, "too-large")


def test_who_goes_on_sending_after_that_is_cut_off(edge: RunningEdge) -> None:
    with Wire(edge.address) as wire:
        assert wire.say(request(None, CHUNKED) + b"fffffff\r\n" + b" " * 100_001).answer().status == 413
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            wire.socket.sendall(b" " * 100_000_000)


# Expect: 100-continue


def test_a_body_is_asked_for_only_when_it_is_let_in(edge: RunningEdge) -> None:
    with Wire(edge.address) as wire:
        wire.say(request(None, {**ASKS_FIRST, "Content-Length": str(len(ORDER))}))
        assert wire.answer().status == 100
        assert wire.say(ORDER).answer().status == 202
        wire.say(request(ORDER, ASKS_FIRST))  # who does not wait is not told to
        assert [wire.answer().status, wire.answer().status] == [100, 202]


@pytest.mark.parametrize(
    ("start", "headers", "status"),
    [
        ("POST /ingest/nope HTTP/1.1", {"Content-Length": "8"}, 404),
        ("POST /ingest/orders HTTP/1.1", {"Content-Length": "100001"}, 413),
        ("POST /ingest/orders HTTP/1.1", {"Content-Length": "8", "Content-Type": "text/plain"}, 415),
        ("POST /ingest/orders HTTP/1.1", {"Content-Length": "8", "Accept": "text/html"}, 406),
        ("POST /ingest/orders?detail=no HTTP/1.1", {"Content-Length": "8"}, 400),
    ],
)
def test_a_body_that_is_not_let_in_is_not_asked_for(
    edge: RunningEdge, start: str, headers: dict[str, str], status: int
) -> None:
    assert said(edge, request(None, {**ASKS_FIRST, **headers}, start)).status == status


def test_http_1_0_knows_no_100(edge: RunningEdge) -> None:
    assert said(edge, request(ORDER, ASKS_FIRST, "POST /ingest/orders HTTP/1.0")).status == 202


# connections and methods


def test_ten_requests_in_one_write_are_answered_in_their_order(edge: RunningEdge) -> None:
    marks = [f"request-{number}" for number in range(10)]
    with Wire(edge.address) as wire:
        wire.say(b"".join(request(ORDER, {"X-Request-Id": mark}) for mark in marks))
        answers = [wire.answer() for _ in marks]
    assert [each.headers["x-request-id"] for each in answers] == marks
    assert {each.status for each in answers} == {202}


@pytest.mark.parametrize(
    ("start", "headers"),
    [("POST /ingest/orders HTTP/1.1", {"Connection": "close"}), ("POST /ingest/orders HTTP/1.0", {})],
)
def test_nothing_is_taken_behind_a_request_that_is_the_last(
    edge: RunningEdge, start: str, headers: dict[str, str]
) -> None:
    before = records_in(edge.config, edge.topic)
    with Wire(edge.address) as wire:
        answers = wire.say(request(ORDER, headers, start) + request(ORDER)).answers()
    assert [(each.status, each.headers["connection"]) for each in answers] == [(202, "close")]
    assert records_in(edge.config, edge.topic) == before + 1


def test_head_and_options_have_answers_without_a_body(edge: RunningEdge) -> None:
    with Wire(edge.address) as wire:
        wire.say(request(None, start="HEAD /ingest/orders HTTP/1.1"))
        assert wire.answer("HEAD").status == 405
        wire.say(request(None, start="OPTIONS /ingest/orders HTTP/1.1"))
        options = wire.answer("OPTIONS")
        assert (options.status, options.body) == (200, b"")
        assert "POST" in options.headers["allow"]
        assert wire.say(request(ORDER)).answer().status == 202
