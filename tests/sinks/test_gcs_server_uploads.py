"""Resumable uploads to the tests' own storage server: chunks sent again, torn, out of order, too late."""

import base64
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import google_crc32c
import pytest
from support.gcs.client import QUARTER_MIB_BYTES as QUARTER_MIB
from support.gcs.client import Api
from support.waiting import wait_until


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("total_known", [True, False])
def test_chunks_become_an_object(method: str, total_known: bool, api: Api) -> None:
    data = os.urandom(2 * QUARTER_MIB + 100)
    size = len(data)
    session = api.session("x")
    for first in (0, QUARTER_MIB):
        after = first + QUARTER_MIB
        total = size if total_known else "*"
        reply = api.chunk(session, data[first:after], f"{first}-{after - 1}/{total}", method)
        assert (reply.status, reply.headers["Range"]) == (308, f"bytes=0-{after - 1}")
    assert api.meta("x").status == 404, "not before the last byte"
    made = api.chunk(session, data[2 * QUARTER_MIB :], f"{2 * QUARTER_MIB}-{size - 1}/{size}", method)
    assert (made.status, made.json["size"]) == (200, str(size))
    assert api.media("x").body == data


def test_a_session_says_how_far_it_is(api: Api) -> None:
    data = os.urandom(QUARTER_MIB + 10)
    session = api.session("x")
    begun = api.chunk(session, b"", "*/*")
    assert (begun.status, begun.headers["Range"]) == (308, None)
    api.chunk(session, data[:QUARTER_MIB], f"0-{QUARTER_MIB - 1}/*")
    reply = api.chunk(session, b"", f"*/{len(data)}")
    assert (reply.status, reply.headers["Range"]) == (308, f"bytes=0-{QUARTER_MIB - 1}")
    assert api.meta("x").status == 404, "asking makes no object"
    made = api.chunk(session, data[QUARTER_MIB:], f"{QUARTER_MIB}-{len(data) - 1}/{len(data)}")
    for again in (api.chunk(session, b"", f"*/{len(data)}"), api.chunk(session, b"", "*/*")):
        assert again.json == made.json


def test_an_unknown_total_can_be_told_in_the_end(api: Api) -> None:
    session = api.session("x")
    api.chunk(session, b"x" * QUARTER_MIB, f"0-{QUARTER_MIB - 1}/*")
    assert api.chunk(session, b"", f"*/{QUARTER_MIB}").status == 200
    assert api.chunk(api.session("empty"), b"", "*/0").json["size"] == "0"


def test_bytes_that_are_sent_again_are_known_by_their_place(api: Api) -> None:
    data = os.urandom(2 * QUARTER_MIB + 100)
    size = len(data)
    session = api.session("x")
    for _ in range(2):
        reply = api.chunk(session, data[:QUARTER_MIB], f"0-{QUARTER_MIB - 1}/{size}")
        assert reply.headers["Range"] == f"bytes=0-{QUARTER_MIB - 1}"
    first = QUARTER_MIB // 2  # half of it is here already
    made = api.chunk(session, data[first:], f"{first}-{size - 1}/{size}")
    assert api.media("x").body == data
    again = api.chunk(session, data[first:], f"{first}-{size - 1}/{size}")
    assert (again.status, again.json) == (200, made.json)
    assert api.chunk(session, data).json == made.json
    assert api.generation("x") == int(made.json["generation"])


def test_a_gap_is_refused_as_google_does(api: Api) -> None:
    session = api.session("x")
    reply = api.chunk(session, b"x" * 10, "10-19/20")
    assert (reply.status, reply.headers["Content-Type"]) == (503, "text/plain; charset=utf-8")
    assert b"offset is 10 byte(s), which exceeds already uploaded size of 0 byte(s)" in reply.body


def test_of_a_chunk_that_is_no_multiple_only_the_multiple_is_kept(api: Api) -> None:
    session = api.session("x")
    reply = api.chunk(session, b"x" * (QUARTER_MIB + 1), f"0-{QUARTER_MIB}/*")
    assert (reply.status, reply.headers["Range"]) == (308, f"bytes=0-{QUARTER_MIB - 1}")


@pytest.mark.parametrize("content_range", ["nonsense", "5-3/10", "0-9/5", "0-3/10"])
def test_a_content_range_that_makes_no_sense_is_400(content_range: str, api: Api) -> None:
    assert api.chunk(api.session("x"), b"x" * 10, content_range).refusal == (400, "invalid")


def test_a_total_does_not_change(api: Api) -> None:
    session = api.session("x")
    api.chunk(session, b"x" * QUARTER_MIB, f"0-{QUARTER_MIB - 1}/{QUARTER_MIB + 5}")
    assert api.chunk(session, b"", f"*/{QUARTER_MIB}").status == 400
    assert api.meta("x").status == 404


def test_of_a_torn_chunk_whole_quarters_of_a_mib_are_kept(api: Api) -> None:
    data = os.urandom(2 * QUARTER_MIB)
    session = api.session("x")
    host = urlsplit(api.endpoint)
    with socket.create_connection((host.hostname, host.port)) as torn:
        head = f"PUT {session} HTTP/1.1\r\nHost: {host.netloc}\r\nContent-Length: {len(data)}\r\n"
        torn.sendall(f"{head}Content-Range: bytes 0-{len(data) - 1}/{len(data)}\r\n\r\n".encode())
        torn.sendall(data[: QUARTER_MIB + 5000])
    wait_until(lambda: api.chunk(session, b"", "*/*").headers["Range"] is not None, "a part of the chunk")
    assert api.chunk(session, b"", "*/*").headers["Range"] == f"bytes=0-{QUARTER_MIB - 1}"
    api.chunk(session, data[QUARTER_MIB:], f"{QUARTER_MIB}-{len(data) - 1}/{len(data)}")
    assert api.media("x").body == data


def test_preconditions_count_again_when_the_object_is_made(api: Api) -> None:
    session = api.session("x", ifGenerationMatch=0)
    assert api.put("x", b"another writer's", ifGenerationMatch=0).status == 200
    for _ in range(2):
        assert api.chunk(session, b"ours").refusal == (412, "conditionNotMet")
    assert api.media("x").body == b"another writer's"


def test_of_many_who_create_a_name_one_wins(api: Api) -> None:
    sessions = [api.session("x", ifGenerationMatch=0) for _ in range(16)]
    with ThreadPoolExecutor(len(sessions)) as pool:
        replies = list(pool.map(lambda session: api.chunk(session, session.encode()), sessions))
    statuses = [reply.status for reply in replies]
    assert sorted(statuses) == [200] + [412] * 15
    assert api.media("x").body == sessions[statuses.index(200)].encode()


def test_a_cancelled_session_is_gone(api: Api) -> None:
    session = api.session("x")
    api.chunk(session, b"x" * QUARTER_MIB, f"0-{QUARTER_MIB - 1}/*")
    cancelled = api.ask("DELETE", session)
    assert (cancelled.status, cancelled.body) == (499, b"")
    assert api.chunk(session, b"", f"*/{QUARTER_MIB}").status == 410
    assert api.chunk(session + "x", b"x").status == 404
    assert api.meta("x").status == 404


def test_a_wrong_checksum_is_refused(api: Api) -> None:
    right = base64.b64encode(google_crc32c.value(b"data").to_bytes(4, "big")).decode()
    wrong = base64.b64encode(b"\0\0\0\0").decode()
    refused = api.chunk(api.session("x"), b"data", **{"X-Goog-Hash": f"crc32c={wrong}"})
    assert refused.refusal == (400, "invalid")
    assert "doesn't match calculated CRC32C" in refused.message
    begun = api.begin("x", {"crc32c": wrong}).headers["Location"].removeprefix(api.endpoint)
    assert api.chunk(begun, b"data").status == 400
    assert api.meta("x").status == 404
    assert api.chunk(api.session("x"), b"data", **{"X-Goog-Hash": f"crc32c={right}"}).status == 200


def test_metadata_and_content_type_are_kept(api: Api) -> None:
    begun = api.begin("x", {"metadata": {"epoch": "7"}, "contentType": "application/json"})
    api.chunk(begun.headers["Location"].removeprefix(api.endpoint), b"{}")
    for name in ("x", "y", "z"):
        found = api.meta(name).json
        assert (found["metadata"], found["contentType"]) == ({"epoch": "7"}, "application/json")
        _ = api.rewrite("x", "y") if name == "x" else api.move("y", "z")
