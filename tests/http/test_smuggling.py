"""Requests that two readers might cut differently: each is refused, or read in one way, and nothing else is stored."""

import gzip
from collections.abc import Iterator

import pytest
from support.edge import RunningEdge, edge_yaml
from support.shared import SharedKafka
from support.topic_counts import records_in
from support.wire import Wire, in_chunks, request, stored_count

ORDER = b'{"id":1}'
SMUGGLED = request(b'{"id":"smuggled"}')
"""What another reader may take for a request of its own, where we take it for a body, or the other way round."""
READ = "read"
REFUSED = "refused"


@pytest.fixture(scope="module")
def edge(kafka: SharedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    with RunningEdge(edge_yaml(tmp_path_factory.mktemp("edge"), kafka.bootstrap_servers)) as running:
        yield running


def with_te(*values: str, names: tuple[str, ...] = ("Transfer-Encoding", "transfer-encoding")) -> bytes:
    """A body in chunks, and a request behind it."""
    return request(None, dict(zip(names, values, strict=False))) + in_chunks(ORDER) + SMUGGLED


def with_cl(*values: str, te: str = "") -> bytes:
    """A body of eight bytes whose length is said in these ways, and a request behind it."""
    names = ("Content-Length", "content-length")
    return request(ORDER, {**dict(zip(names, values, strict=False)), "TRANSFER-ENCODING": te}) + SMUGGLED


TWO_WAYS = {
    "a length and chunks": (request(None, {"Content-Length": "4", "Transfer-Encoding": "chunked"}), in_chunks(ORDER)),
    "chunks and a length": (request(None, {"Transfer-Encoding": "chunked", "Content-Length": "4"}), in_chunks(ORDER)),
    "an end and a length": (request(None, {"Transfer-Encoding": "chunked", "Content-Length": "6"}), b"0\r\n\r\nX"),
    "a length of all": (request(SMUGGLED, {"TRANSFER-ENCODING": "chunked"}), b""),
}
CASES = {
    **{name: (b"".join(parts) + SMUGGLED, REFUSED) for name, parts in TWO_WAYS.items()},
    "two lengths that differ": (with_cl("8", str(8 + len(SMUGGLED))), REFUSED),
    "two lengths that differ, the other way": (with_cl(str(8 + len(SMUGGLED)), "8"), REFUSED),
    "two equal lengths": (with_cl("8", "8"), REFUSED),
    "a list of lengths": (with_cl("8, 8"), REFUSED),
    "a length with a plus": (with_cl("+8"), REFUSED),
    "a length with a minus": (with_cl("-8"), REFUSED),
    "a length in hexadecimal": (with_cl("0x8"), REFUSED),
    "a length with a space in it": (with_cl("0 8"), REFUSED),
    "a length with a point": (with_cl("8.0"), REFUSED),
    "a length with an underscore": (with_cl("0_8"), REFUSED),
    "a length in other digits": (with_cl("\xb2"), REFUSED),
    "an empty length": (request(ORDER).replace(b"Content-Length: 8", b"Content-Length:") + SMUGGLED, REFUSED),
    "a length beyond 64 bits": (with_cl("18446744073709551624"), REFUSED),
    "a length with zeros": (with_cl("0" * 5000 + "8"), READ),
    "a length with spaces around": (with_cl(" \t8\t "), READ),
    "a space before the colon": (with_te("chunked", names=("Transfer-Encoding ",)), REFUSED),
    "a tab before the colon": (with_te("chunked", names=("Transfer-Encoding\t",)), REFUSED),
    "a fold before the value": (with_te("\r\n chunked"), REFUSED),
    "nearly chunked": (with_te("xchunked"), REFUSED),
    "chunked with something behind": (with_te("chunkedx"), REFUSED),
    "chunked, then identity": (with_te("chunked, identity"), REFUSED),
    "identity, then chunked": (with_te("identity, chunked"), REFUSED),
    "chunked twice": (with_te("chunked, chunked"), REFUSED),
    "chunked in two headers": (with_te("chunked", "chunked"), REFUSED),
    "identity in one header, chunked in another": (with_te("identity", "chunked"), REFUSED),
    "chunked in one header, identity in another": (with_te("chunked", "identity"), REFUSED),
    "chunked with quotes": (with_te('"chunked"'), REFUSED),
    "chunked with a parameter": (with_te("chunked;a=b"), REFUSED),
    "chunked with a form feed": (with_te("\x0cchunked"), REFUSED),
    "identity": (with_te("identity"), REFUSED),
    "a transfer that is compressed, too": (
        request(None, {"Transfer-Encoding": "gzip, chunked"}) + in_chunks(gzip.compress(ORDER)) + SMUGGLED,
        REFUSED,
    ),
    "a tab before the value": (with_te("\tchunked"), READ),
    "chunked in mixed case": (with_te("cHuNkEd"), READ),
    "chunks with a space behind their size": (
        request(None, {"Transfer-Encoding": "chunked"}) + b"8 \r\n" + ORDER + b"\r\n0\r\n\r\n" + SMUGGLED,
        REFUSED,
    ),
    "chunks whose extension holds a line's end": (
        request(None, {"Transfer-Encoding": "chunked"}) + b"8;a\n" + ORDER + b"\r\n0\r\n\r\n" + SMUGGLED,
        REFUSED,
    ),
    "a trailer that says a length": (
        request(None, {"Transfer-Encoding": "chunked"})
        + in_chunks(ORDER, trailer=b"Content-Length: %d\r\n" % len(SMUGGLED))
        + SMUGGLED,
        REFUSED,
    ),
    "a body of GET": (request(SMUGGLED, start="GET /livez HTTP/1.1"), READ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("pieces", ["in one piece", "in many"])
def test_what_is_stored_is_what_the_answers_name(edge: RunningEdge, case: str, pieces: str) -> None:
    data, expected = CASES[case]
    before = records_in(edge.config, edge.topic)
    with Wire(edge.address) as wire:
        size = len(data) if pieces == "in one piece" else 11
        for at in range(0, len(data), size):
            wire.say(data[at : at + size])
        answers = wire.no_more().answers()
    stored = records_in(edge.config, edge.topic) - before
    assert stored == stored_count(answers)
    if expected == REFUSED:
        assert [each.status for each in answers] in ([400], []), answers
        assert stored == 0
    else:
        assert [each.status for each in answers] == ([200] if "GET" in case else [202, 202]), answers
