"""A payload of several pieces whose requests fail: it comes whole or not at all, and what is said of it is true."""

import random
from math import inf
from typing import Any

import google_crc32c
import pytest
from sinks.gcs.conftest import MakeBackend
from sinks.test_backends import FINAL, described, stage
from support.fault_proxy import FaultProxy, Rule
from support.gcs_server import GcsServer, Rules

from streamlake.engine.errors import StorageError
from streamlake.plugins.sinks.file.backends.base import Backend, Stored
from streamlake.plugins.sinks.file.backends.gcs.upload import PIECE_BYTES

PAYLOAD = random.Random(3).randbytes(2 * PIECE_BYTES + 12_345)
STAGED = "_stage/live-1/t/00000/00000001/1.parquet"
WHOLE = Stored(len(PAYLOAD), f"{google_crc32c.value(PAYLOAD):08x}")

FAULTS: dict[str, dict[str, Any]] = {
    "no answer, done": {"do": "lose_reply"},
    "no answer, not done": {"do": "lose_request"},
    "torn, and the server has a part": {"do": "tear_request", "at_bytes": 3 * 2**18 + 7, "pass_on": True},
    "torn, and the server has nothing": {"do": "tear_request", "at_bytes": 1000},
    "cut answer": {"do": "cut_reply", "at_bytes": 25},
    "503": {"do": "status", "status": 503},
    "503, done": {"do": "status", "status": 503, "after": True},
    "late": {"do": "late", "delay_seconds": 1},
    "hangs": {"do": "hang", "after": True},
}


def write(backend: Backend, payload: bytes = PAYLOAD) -> Stored | None:
    with backend.create(STAGED) as out:
        for at in range(0, len(payload), 1_000_003):
            out.write(memoryview(payload)[at : at + 1_000_003])
        out.finish()
        out.seal()
        return out.stored()


@pytest.mark.parametrize("piece", [0, 1, 2], ids=["first", "second", "last"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_piece_without_a_clear_answer_is_asked_for_and_the_rest_is_sent(
    backend: Backend, proxy: FaultProxy, server: GcsServer, fault: str, piece: int
) -> None:
    rule = proxy.add(Rule(method="PUT", pass_first=piece, **FAULTS[fault]))
    assert write(backend) == WHOLE
    assert rule.hits == 1
    assert backend.stored(STAGED) == WHOLE
    assert server.bucket().data(f"lake/{STAGED}") == PAYLOAD


@pytest.mark.parametrize("fault", FAULTS)
def test_a_small_payload_is_sent_again_as_a_whole(
    backend: Backend, proxy: FaultProxy, server: GcsServer, fault: str
) -> None:
    rule = proxy.add(Rule(method="PUT", **FAULTS[fault]))
    assert write(backend, PAYLOAD[:5000]) == Stored(5000, f"{google_crc32c.value(PAYLOAD[:5000]):08x}")
    assert rule.hits == 1
    assert server.bucket().data(f"lake/{STAGED}") == PAYLOAD[:5000]


def test_a_writer_that_gives_up_leaves_nothing_but_an_upload_that_ends_by_itself(
    make_backend: MakeBackend, proxy: FaultProxy, server: GcsServer
) -> None:
    proxy.add(Rule("status", method="PUT", pass_first=1, times=inf, status=503))
    backend = make_backend(retry_seconds_max=0.5)
    backend.begin_batch()
    with pytest.raises(StorageError, match=r"gave no answer for 0\.5 s"):
        write(backend)
    assert list(server.bucket().names()) == []


def test_a_staged_name_that_stands_is_not_overwritten_by_pieces_either(backend: Backend, server: GcsServer) -> None:
    assert write(backend) == WHOLE
    with pytest.raises(StorageError, match="exists already: a staged name is never used twice"):
        write(backend, PAYLOAD[::-1])
    assert server.bucket().data(f"lake/{STAGED}") == PAYLOAD


def test_what_is_read_is_held_against_its_checksum(backend: Backend, proxy: FaultProxy) -> None:
    assert backend.put_if_absent("_ledger/0.json", b"an entry", stage="")
    rule = proxy.add(Rule("wrong_checksum", method="GET", path="alt=media"))
    assert backend.read("_ledger/0.json") == b"an entry"
    assert rule.hits == 1


def test_an_entry_that_is_altered_on_its_way_does_not_stand(
    make_backend: MakeBackend, proxy: FaultProxy, server: GcsServer
) -> None:
    proxy.add(Rule("tear_request", method="PUT", at_bytes=4, pass_on=True, times=inf))
    backend = make_backend(retry_seconds_max=0.5)
    backend.begin_batch()
    with pytest.raises(StorageError):
        backend.put_if_absent("_ledger/0.json", b"an entry", stage="")
    assert list(server.bucket().names()) == []


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_answers_with_an_altered_sum_send_nobody_to_look_for_other_bytes(
    backend: Backend, proxy: FaultProxy, method: str
) -> None:
    file = stage(backend, b"content")
    if method == "GET":
        assert backend.publish(file)
    place = "moveTo" if method == "POST" else "/storage/v1/b/streamlake/o/lake%2Fraw.*fields"
    rule = proxy.add(Rule("wrong_checksum", method=method, path=place, times=inf))
    assert backend.publish(file)
    assert rule.hits >= 1
    assert backend.read(FINAL) == b"content"


@pytest.mark.parametrize("target_first", [False, True])
def test_a_move_whose_answer_is_lost_was_done(
    backend: Backend, proxy: FaultProxy, server: GcsServer, target_first: bool
) -> None:
    server.bucket().rules = Rules(move_looks_at_target_first=target_first)
    file = stage(backend, b"content")
    rule = proxy.add(Rule("lose_reply", method="POST", path="moveTo"))
    assert backend.publish(file)
    assert rule.hits == 1
    assert (backend.read(FINAL), backend.read(file.staged)) == (b"content", None)
    assert backend.publish(described(b"content"))
