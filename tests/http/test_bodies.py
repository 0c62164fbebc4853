"""Bodies taken apart: whatever they are, the records come out as they were sent, or a problem does."""

import contextlib
import gzip
import json
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from streamlake.http_edge.bodies import RATIO_FREE_BYTES, decompressed
from streamlake.http_edge.problems import ProblemError
from streamlake.http_edge.splitting import JSON_SPACE, split_json, split_lines

PACK = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}
LIMIT, RATIO = 4 * 1024**2, 50
RECORDS = 1000
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
space = st.text(" \t\r\n", max_size=3).map(str.encode)


@given(st.lists(values, min_size=1, max_size=6), space, st.booleans())
def test_an_array_s_elements_are_what_was_sent(records: list[object], gap: bytes, escaped: bool) -> None:
    sent = [json.dumps(one, ensure_ascii=escaped).encode("utf-8", "surrogatepass") for one in records]
    body = gap + b"[" + gap + (gap + b"," + gap).join(sent) + gap + b"]" + gap
    assert list(split_json(body, RECORDS)) == sent
    assert list(split_json(body, len(sent))) == sent
    if len(sent) > 1:
        with pytest.raises(ProblemError, match="more than"):
            split_json(body, len(sent) - 1)


@given(st.binary(max_size=60))
def test_any_body_of_json_is_one_record_an_array_or_a_problem(body: bytes) -> None:
    inside = body.strip(JSON_SPACE)
    with contextlib.suppress(ProblemError):
        assert list(split_json(body, RECORDS)) == [inside] or inside.startswith(b"[")


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line)), st.sampled_from([b"\n", b"\r\n"]))
def test_lines_are_records_without_their_ends(lines: list[bytes], end: bytes) -> None:
    body = end.join(lines)
    wanted = [line.removesuffix(b"\r") for line in body.split(b"\n")]
    wanted = [line for line in wanted if line.strip()]
    if wanted:
        assert list(split_lines(body, RECORDS)) == wanted
    else:
        with pytest.raises(ProblemError):
            split_lines(body, RECORDS)


@pytest.mark.parametrize("encoding", list(PACK))
@given(st.lists(st.binary(max_size=300), max_size=3))
def test_members_and_frames_after_each_other_are_one_body(encoding: str, parts: list[bytes]) -> None:
    packed = b"".join(PACK[encoding](part) for part in parts)
    assert decompressed(packed, encoding, LIMIT, RATIO) == b"".join(parts)


@pytest.mark.parametrize("encoding", list(PACK))
@given(st.binary(min_size=1, max_size=300), st.integers(1, 40), st.binary(max_size=6))
def test_what_is_cut_short_or_followed_by_something_is_a_problem(
    encoding: str, body: bytes, cut: int, more: bytes
) -> None:
    packed = PACK[encoding](body)
    with pytest.raises(ProblemError, match="malformed"):
        decompressed(packed[: max(1, len(packed) - cut)], encoding, LIMIT, RATIO)
    if more and not more.startswith((b"\x1f\x8b"[: len(more)], b"\x28\xb5\x2f\xfd"[: len(more)])):
        with pytest.raises(ProblemError, match="malformed"):
            decompressed(packed + more, encoding, LIMIT, RATIO)


@pytest.mark.parametrize("encoding", list(PACK))
@given(st.binary(max_size=200))
def test_any_bytes_are_a_body_or_a_problem(encoding: str, body: bytes) -> None:
    with contextlib.suppress(ProblemError):
        assert len(decompressed(body, encoding, LIMIT, RATIO)) <= LIMIT


@pytest.mark.parametrize("encoding", list(PACK))
def test_a_body_grows_to_its_limit_and_no_further(encoding: str) -> None:
    fits, over = b"\0" * LIMIT, b"\0" * (LIMIT + 1)
    assert decompressed(PACK[encoding](fits), encoding, LIMIT, 100_000) == fits
    with pytest.raises(ProblemError, match="too-large"):
        decompressed(PACK[encoding](over), encoding, LIMIT, 100_000)


@pytest.mark.parametrize("encoding", list(PACK))
def test_the_ratio_counts_beyond_the_first_mebibyte(encoding: str) -> None:
    small, large = b"\0" * RATIO_FREE_BYTES, b"\0" * (RATIO_FREE_BYTES + 1)
    assert decompressed(PACK[encoding](small), encoding, LIMIT, RATIO) == small
    with pytest.raises(ProblemError, match="times its size"):
        decompressed(PACK[encoding](large), encoding, LIMIT, RATIO)


def test_a_window_that_nobody_has_to_take_is_a_problem() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = packer.compress(b"{}" * 10_000) + packer.flush()
    with pytest.raises(ProblemError, match="malformed"):
        decompressed(packed, "zstd", LIMIT, RATIO)


def test_deflate_without_gzip_s_head_is_no_gzip() -> None:
    with pytest.raises(ProblemError, match="no gzip"):
        decompressed(zlib.compress(b"{}"), "gzip", LIMIT, RATIO)
