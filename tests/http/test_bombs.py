"""Small bodies that would grow large, cost much, or break what reads them: refused with a bound on what they cost."""

import gzip
import os
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import zstandard
from support.broker import everything_in
from support.edge import JSON, LINES, Answered, RunningEdge, edge_yaml
from support.shared import SharedKafka

MIB = 1024**2
GROWS_MAX = 64 * MIB
SECONDS_MAX = 0.5
"""The longest that one of them may hold up a worker, in the median, on a machine with other work."""
ORDER = b'{"id":1}'
_WIDE = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)


def zstd_of(size: int) -> bytes:
    """Zeros, as small as zstd can make them."""
    return zstandard.ZstdCompressor(level=19).compress(bytes(size))


def padded(text: bytes) -> bytes:
    """Compressed, and with noise behind it, so that it grows by less than may be: blanks are noise that JSON allows."""
    noise = os.urandom(600_000).translate(bytes(b" \t"[each % 2] for each in range(256)))
    return gzip.compress(text + noise)


def wide(text: bytes) -> bytes:
    """A frame that asks for a window of 128 MiB."""
    compressor = zstandard.ZstdCompressor(compression_params=_WIDE).compressobj()
    return compressor.compress(text) + compressor.flush()


def lying(size: int) -> bytes:
    """A frame that says it holds one size and holds another: its header with eight bytes for the size."""
    block = struct.pack("<I", len(ORDER) << 3 | 1)[:3] + ORDER
    return b"\x28\xb5\x2f\xfd" + b"\xe0" + struct.pack("<Q", size) + block


EMPTY_GZIP, EMPTY_ZSTD, SKIPPED = gzip.compress(b""), zstandard.compress(b""), b"\x50\x2a\x4d\x18" + bytes(4)
BOMBS: dict[str, tuple[str, Callable[[], bytes], int]] = {
    "gzip": ("gzip", lambda: gzip.compress(bytes(128 * MIB)), 413),
    "gzip within the ratio": ("gzip", lambda: padded(b"{}" * 6 * MIB), 413),
    "gzip in gzip": ("gzip", lambda: gzip.compress(gzip.compress(bytes(128 * MIB))), 422),
    "gzip, many members": ("gzip", lambda: gzip.compress(bytes(MIB)) * 100, 413),
    "gzip, empty members": ("gzip", lambda: EMPTY_GZIP * (MIB // len(EMPTY_GZIP)), 413),
    "zstd": ("zstd", lambda: zstd_of(128 * MIB), 413),
    "zstd, many frames": ("zstd", lambda: zstd_of(MIB) * 100, 413),
    "zstd, empty frames": ("zstd", lambda: EMPTY_ZSTD * (MIB // len(EMPTY_ZSTD)), 413),
    "zstd, skipped frames": ("zstd", lambda: SKIPPED * (MIB // len(SKIPPED)), 413),
    "zstd, a wide window": ("zstd", lambda: wide(b'{"id":1}'), 400),
    "zstd, says it is 2^63 bytes": ("zstd", lambda: lying(2**63), 400),
    "millions of records in an array": ("gzip", lambda: padded(b"[" + b"0," * 3 * MIB + b"0]"), 413),
    "millions of records in lines": ("gzip", lambda: padded(b"0\n" * 3 * MIB), 413),
    "millions of empty lines": ("gzip", lambda: padded(b"{}" + b"\n" * 6 * MIB), 413),
}


@pytest.fixture(scope="module")
def edge(kafka: SharedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    """One stream as it is by default, and one for large bodies and odd keys."""
    large = {"body_max": "4MiB", "key_field": "/id"}
    path = edge_yaml(
        tmp_path_factory.mktemp("edge"), kafka.bootstrap_servers, http__streams={"orders": {}, "large": large}
    )
    with RunningEdge(path) as running:
        yield running


def worker_of(edge: RunningEdge) -> psutil.Process:
    """The one worker."""
    (worker,) = psutil.Process(edge.process.pid).children()
    return worker


def most_bytes(worker: psutil.Process) -> int:
    """The most memory that it has ever had: what psutil shows may be over before one looks."""
    lines = Path(f"/proc/{worker.pid}/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


@pytest.mark.parametrize("name", BOMBS)
def test_fifty_bombs_cost_little_memory_and_time(edge: RunningEdge, name: str) -> None:
    encoding, make, status = BOMBS[name]
    body = make()
    assert len(body) <= MIB, "another limit would refuse it"
    kind = JSON if "array" in name else LINES
    for _ in range(3):
        edge.post(ORDER)  # what a first request needs is not the bomb's
    worker = worker_of(edge)
    before, took = most_bytes(worker), []
    for _ in range(50):
        began = time.perf_counter()
        answered = edge.post(body, kind, content_encoding=encoding)
        took.append(time.perf_counter() - began)
        assert answered.status == status, answered.body[:300]
    assert most_bytes(worker) - before < GROWS_MAX
    assert sorted(took)[25] < SECONDS_MAX
    assert edge.post(ORDER).status == 202
    assert worker_of(edge) == worker


def test_a_body_may_grow_so_many_times_and_no_more(edge: RunningEdge) -> None:
    answered = edge.post(gzip.compress(ORDER + b" " * 4 * MIB), content_encoding="gzip")
    assert problem(answered) == (413, "too-large")
    assert "times its size" in answered.json["detail"]
    assert edge.post(padded(ORDER + b" " * 4 * MIB), content_encoding="gzip").status == 202


@pytest.mark.parametrize("cut", [1, 9, 20, -9, -1])
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_of_what_is_cut_short_or_followed_by_something_nothing_is_stored(
    edge: RunningEdge, encoding: str, cut: int
) -> None:
    lines = b"\n".join(b'{"id":"%b"}' % os.urandom(500).hex().encode() for _ in range(200))  # more than one block
    body = gzip.compress(lines) if encoding == "gzip" else zstandard.compress(lines)
    assert problem(edge.post(body[:cut], LINES, content_encoding=encoding)) == (400, "malformed")
    assert problem(edge.post(body + b"x" * abs(cut), LINES, content_encoding=encoding)) == (400, "malformed")
    assert edge.post(body, LINES, content_encoding=encoding).json["stored"] == 200


def problem(answered: Answered) -> tuple[int, str]:
    """Status and kind."""
    return answered.status, answered.json["type"].removeprefix("/docs#")


@pytest.mark.parametrize("size", [0, 7, 9, 2**32, 2**63, 2**64 - 1])
def test_a_frame_that_lies_about_its_size_is_refused(edge: RunningEdge, size: int) -> None:
    assert edge.post(lying(len(ORDER)), content_encoding="zstd").status == 202
    assert problem(edge.post(lying(size), content_encoding="zstd")) == (400, "malformed")


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip, zstd", "gzip,identity", "identity, gzip"])
def test_one_encoding_at_a_time(edge: RunningEdge, encoding: str) -> None:
    answered = edge.post(gzip.compress(gzip.compress(ORDER)), content_encoding=encoding)
    assert problem(answered) == (415, "unsupported-type")


def test_what_is_encoded_twice_is_decoded_once(edge: RunningEdge) -> None:
    answered = edge.post(gzip.compress(gzip.compress(ORDER)), content_encoding="gzip")
    assert (answered.status, answered.json["results"][0]["reason"]) == (422, "malformed")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"[" * 100_000, JSON, 400),
        (b"[" * 100_000 + b"]" * 100_000, JSON, 400),
        (b'[{"a":' * 100_000, JSON, 400),
        (b'{"id":' + b"[" * 100_000, JSON, 422),
        (b'{"id":' * 100_000 + b"1" + b"}" * 100_000, LINES, 422),
        (b"[" * 100_000 + b"]" * 100_000, LINES, 422),
        (b"[" + b"{}," * 1_000_000 + b"{}]", JSON, 413),
        (b"0\n" * 1_000_001, LINES, 413),
        (b"," * 1_000_001, JSON, 422),
        (b"[" + b"," * 1_000_001 + b"]", JSON, 400),
        (b'{"id":' + b"9" * 100_000 + b"}", JSON, 422),
        (b'{"id":1e' + b"9" * 100_000 + b"}", JSON, 422),
        (b'{"id":0.' + b"1" * 100_000 + b"}", JSON, 202),
        (b'{"id":"' + b"x" * 1_000_000 + b'"}', JSON, 202),
        (b'{"name":"' + b"x" * 1_000_000 + b'"}', JSON, 202),
        (b'{"id":"\\u0000"}', JSON, 202),
        (b'{"id":{"id":"' + b"x" * 100_000 + b'"}}', JSON, 202),
    ],
    ids=lambda value: value[:20].decode() if isinstance(value, bytes) else None,
)
def test_what_breaks_parsers_has_an_answer(edge: RunningEdge, body: bytes, kind: str, status: int) -> None:
    answered = edge.post(body, kind, path="/ingest/large")
    assert answered.status == status, answered.body[:300]
    if status in (202, 422):
        (one,) = answered.json["results"]
        place = one if status == 202 else one["dead_letter"]
        (found,) = [
            message.value()
            for message in everything_in(edge.config, place["topic"])
            if (message.partition(), message.offset()) == (place["partition"], place["offset"])
        ]
        assert found == body


def test_an_array_with_as_many_commas_is_taken_apart_alike(edge: RunningEdge) -> None:
    """Whether an array may hold too many records is seen by its commas; what may is decoded in another way."""
    records = [b'{"id":%d,"list":[%b]}' % (number, b",".join([b"0"] * 10)) for number in range(1000)]
    answered = edge.post(b"[" + b" , ".join(records) + b"]")
    assert (answered.status, answered.json["stored"]) == (202, 1000)
    found = {
        (message.partition(), message.offset()): message.value() for message in everything_in(edge.config, edge.topic)
    }
    assert [found[one["partition"], one["offset"]] for one in answered.json["results"]] == records
    assert edge.post(b"[" + b",".join([*records, records[0]]) + b"]").status == 413
