"""The fault proxy breaks exactly what it is told to, and says what it did, before the tests' own storage server."""

import http.client
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.fault_proxy import FaultProxy, Rule
from support.gcs.client import QUARTER_MIB_BYTES as QUARTER_MIB
from support.gcs.client import Api, Reply
from support.gcs_server import GcsServer
from support.shared import SharedGcs
from support.waiting import wait_until

TESTS = Path(__file__).parent.parent
SECONDS_MAX = 10.0
CLOSED = (http.client.RemoteDisconnected, ConnectionResetError)
"""What a caller sees of a connection that ends without a reply."""


@pytest.fixture
def direct(server: GcsServer) -> Api:
    return Api(server.endpoint)


@pytest.fixture
def api(proxy: FaultProxy) -> Api:
    return Api(proxy.endpoint)


@pytest.fixture
def later() -> Iterator[ThreadPoolExecutor]:
    """Callers that wait while the test goes on."""
    with ThreadPoolExecutor(4) as pool:
        yield pool


def moving(api: Api) -> Reply:
    return api.move("x", "y", ifGenerationMatch=0)


def test_without_a_rule_everything_passes_over_one_connection(server: GcsServer, proxy: FaultProxy) -> None:
    data = os.urandom(3_000_000)
    api = Api(proxy.endpoint, kept=True)
    assert api.put("x", data).status == 200
    socket_before = api._connection.sock if api._connection else None
    assert api.media("x").body == data
    assert (api.meta("x", ifGenerationNotMatch=api.generation("x")).status, api.delete("x").status) == (304, 204)
    assert api._connection is not None
    assert api._connection.sock is socket_before is not None, "the connection was kept"
    api.close()
    assert [(seen.operation, seen.fault, seen.status, seen.answered) for seen in proxy.log] == [
        ("objects.insert", None, 200, 200),
        ("objects.insert.chunk", None, 200, 200),
        ("objects.get.media", None, 200, 200),
        ("objects.get", None, 200, 200),
        ("objects.get", None, 304, 304),
        ("objects.delete", None, 204, 204),
    ]
    assert proxy.counts == server.counts
    assert (proxy.counts.class_a, proxy.counts.class_b) == (1, 3)


def test_a_body_in_chunks_and_one_after_100_continue_pass(api: Api, direct: Api) -> None:
    connection = http.client.HTTPConnection(urlsplit(api.endpoint).netloc, timeout=SECONDS_MAX)
    connection.request("PUT", api.session("x"), iter([b"one ", b"two"]), encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    assert direct.media("x").body == b"one two"
    assert api.chunk(api.session("y"), b"three", Expect="100-continue").status == 200
    assert direct.media("y").body == b"three"


def test_it_stands_before_fake_gcs_server_too(gcs: SharedGcs) -> None:
    with FaultProxy(gcs.endpoint) as proxy:
        api = Api(proxy.endpoint, gcs.new_bucket())
        data = os.urandom(300_000)
        session = api.session("x")  # it is at the proxy, not at the server behind it
        assert api.chunk(session, data, f"0-{len(data) - 1}/{len(data)}").status == 200
        assert api.media("x").body == data


@pytest.mark.parametrize("after", [False, True])
def test_a_status_before_or_after_the_work(after: bool, api: Api, direct: Api, proxy: FaultProxy) -> None:
    direct.put("x", b"1")
    rule = proxy.add(
        Rule("status", "POST", "/moveTo/", status=429, headers={"Retry-After": "7"}, body="no", after=after)
    )
    reply = moving(api)
    assert (reply.status, reply.headers["Retry-After"], reply.body) == (429, "7", b"no")
    assert rule.hit.wait(SECONDS_MAX)
    assert direct.meta("y").status == (200 if after else 404)
    seen = proxy.log[-1]
    assert (seen.fault, seen.status, seen.answered) == ("status", 200 if after else None, 429)
    assert proxy.counts.class_a == after, "what the server never saw is not charged"
    assert moving(api).status == (404 if after else 200), "the rule was for one request"


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(("do", "moved"), [("lose_reply", True), ("lose_request", False)])
def test_a_lost_reply_and_a_lost_request(
    do: str, moved: bool, reset: bool, api: Api, direct: Api, proxy: FaultProxy
) -> None:
    direct.put("x", b"1")
    rule = proxy.add(Rule.from_json({"do": do, "path": "/moveTo/", "reset": reset}))
    with pytest.raises(ConnectionResetError) as told:
        moving(api)
    assert isinstance(told.value, http.client.RemoteDisconnected) != reset
    assert rule.hit.wait(SECONDS_MAX)
    assert (direct.meta("x").status, direct.meta("y").status) == ((404, 200) if moved else (200, 404))
    assert (proxy.log[-1].status, proxy.log[-1].answered) == (200 if moved else None, None)


def test_a_reply_that_is_cut(api: Api, direct: Api, proxy: FaultProxy) -> None:
    direct.put("x", b"0123456789" * 100)
    whole = direct.media("x")
    proxy.add(Rule("cut_reply", path="alt=media", at_bytes=600))
    with pytest.raises(http.client.IncompleteRead) as told:
        api.media("x")
    assert whole.body.startswith(told.value.partial)
    assert 0 < len(told.value.partial) < 600


@pytest.mark.parametrize("pass_on", [False, True])
def test_a_request_that_is_torn(pass_on: bool, api: Api, direct: Api, proxy: FaultProxy) -> None:
    data = os.urandom(3 * QUARTER_MIB)
    session = api.session("x")
    proxy.add(Rule("tear_request", "PUT", at_bytes=QUARTER_MIB + 1000, pass_on=pass_on))
    with pytest.raises((*CLOSED, BrokenPipeError)):
        api.chunk(session, data, f"0-{len(data) - 1}/{len(data)}")
    wanted = f"bytes=0-{QUARTER_MIB - 1}" if pass_on else None
    wait_until(lambda: direct.chunk(session, b"", "*/*").headers["Range"] == wanted, f"a session at {wanted}")
    assert direct.meta("x").status == 404


@pytest.mark.parametrize("after", [False, True])
def test_a_request_that_hangs_until_it_is_released(
    after: bool, api: Api, direct: Api, proxy: FaultProxy, later: ThreadPoolExecutor
) -> None:
    direct.put("x", b"1")
    rule = proxy.add(Rule("hang", path="/moveTo/", after=after))
    caller = later.submit(moving, api)
    assert rule.hit.wait(SECONDS_MAX)
    assert direct.meta("y").status == (200 if after else 404)
    assert not caller.done()
    proxy.release(rule)
    assert isinstance(caller.exception(SECONDS_MAX), CLOSED)
    assert direct.meta("y").status == (200 if after else 404)


def test_one_that_hangs_goes_with_its_caller_or_its_time(api: Api, proxy: FaultProxy) -> None:
    proxy.add(Rule("hang"))
    with pytest.raises(TimeoutError):
        api.ask("GET", "/storage/v1/b/streamlake/o", seconds=0.2)
    wait_until(lambda: not proxy._callers, "the end of the connection")
    proxy.add(Rule("hang", delay_seconds=0.05))
    with pytest.raises(CLOSED):
        api.meta("x")


def test_a_reply_that_drips(api: Api, direct: Api, proxy: FaultProxy, later: ThreadPoolExecutor) -> None:
    direct.put("x", b"0123456789" * 100)
    rule = proxy.add(Rule("drip", path="alt=media", at_bytes=100))
    slow: Future[Reply] = later.submit(api.media, "x")
    assert rule.hit.wait(SECONDS_MAX)
    assert not slow.done()
    proxy.release(rule)
    assert slow.result(SECONDS_MAX).body == b"0123456789" * 100
    proxy.add(Rule("drip", path="alt=media", at_bytes=400, delay_seconds=0.01))
    assert api.media("x").body == b"0123456789" * 100


def test_a_late_request_arrives_after_its_caller_gave_up(api: Api, direct: Api, proxy: FaultProxy) -> None:
    direct.put("x", b"1")
    rule = proxy.add(Rule("late", path="/moveTo/"))
    with pytest.raises(CLOSED):
        moving(api)
    assert direct.put("y", b"another writer's", ifGenerationMatch=0).status == 200
    proxy.release(rule)
    assert rule.delivered.wait(SECONDS_MAX)
    assert (direct.media("y").body, proxy.log[-1].status) == (b"another writer's", 412)


def test_a_late_one_can_hold_its_caller(api: Api, direct: Api, proxy: FaultProxy) -> None:
    direct.put("x", b"1")
    rule = proxy.add(Rule("late", "DELETE", hold=True, delay_seconds=0.01))
    with pytest.raises(TimeoutError):
        api.ask("DELETE", "/storage/v1/b/streamlake/o/x", seconds=0.2)
    assert rule.delivered.wait(SECONDS_MAX)
    assert (direct.meta("x").status, proxy.log[-1].status) == (404, 204)


def test_wrong_checksums(api: Api, proxy: FaultProxy) -> None:
    right = api.put("x", b"data").json
    proxy.add(Rule("wrong_checksum", times=2))
    wrong = api.meta("x").json
    assert wrong["crc32c"] != right["crc32c"]
    assert len(wrong["crc32c"]) == 8
    assert {**wrong, "crc32c": ""} == {**right, "crc32c": ""}
    media = api.media("x")
    assert (media.body[:3], media.body[3:] != b"a", len(media.body)) == (b"dat", True, 4)
    assert api.meta("x").json == right


def test_refused_connections(api: Api, proxy: FaultProxy) -> None:
    kept = Api(proxy.endpoint, kept=True)
    kept.meta("x")
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        api.meta("x")
    with pytest.raises((*CLOSED, BrokenPipeError)):
        kept.meta("x")
    proxy.accept()
    assert api.meta("x").status == 404
    kept.close()
    rule = proxy.add(Rule("refuse"))
    with pytest.raises(CLOSED):
        api.meta("x")
    with pytest.raises(ConnectionRefusedError):
        api.meta("x")
    proxy.release(rule)
    wait_until(lambda: proxy._server is not None, "a listener")
    assert api.meta("x").status == 404


def test_a_server_that_is_down_answers_nothing(api: Api, server: GcsServer, proxy: FaultProxy) -> None:
    server.stop()
    with pytest.raises(CLOSED):
        api.meta("x")
    server.start()
    assert (api.meta("x").status, [seen.status for seen in proxy.log]) == (404, [None, 404])


def test_a_server_that_dies_within_a_reply_gives_no_half_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def half() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            connection.close()

        thread = threading.Thread(target=half)
        thread.start()
        with FaultProxy(f"http://127.0.0.1:{listener.getsockname()[1]}") as proxy, pytest.raises(CLOSED):
            Api(proxy.endpoint).meta("x")
        thread.join(SECONDS_MAX)


def test_a_rule_takes_the_requests_that_it_names(api: Api, proxy: FaultProxy) -> None:
    proxy.add(Rule("status", "GET", "/o/b", pass_first=1, times=2))
    asked = [("GET", "b"), ("GET", "a"), ("DELETE", "b"), ("GET", "b"), ("GET", "b"), ("GET", "b")]
    assert [api.about(method, name, "", {}).status for method, name in asked] == [404, 404, 404, 503, 503, 404]


def test_the_first_rule_that_matches_takes_a_request(api: Api, proxy: FaultProxy) -> None:
    proxy.add(Rule("status", status=500))
    proxy.add(Rule("status", status=502, times=math.inf))
    assert [api.meta("x").status for _ in range(3)] == [500, 502, 502]
    proxy.clear()
    assert (api.meta("x").status, len(proxy.log)) == (404, 1)


def test_a_rule_may_be_for_a_time() -> None:
    rule = Rule("status", times=math.inf, seconds=5.0)
    assert [rule.takes("GET", "/", now) for now in (100.0, 103.0, 105.0, 105.1, 200.0)] == [True] * 3 + [False] * 2


@pytest.mark.parametrize("wrong", [{"do": "explode"}, {"do": "hang", "secnds": 1}])
def test_a_rule_that_makes_no_sense_is_told(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no fault 'explode'|no setting secnds"):
        Rule.from_json(wrong)


def test_as_a_process_it_takes_rules_and_tells_its_log(server: GcsServer, direct: Api) -> None:
    direct.put("x", b"1")
    command = [sys.executable, "-m", "support.fault_proxy", server.endpoint]
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    with ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env))
        stack.callback(process.kill)
        assert process.stdout is not None
        api = Api(process.stdout.readline().strip())
        api.ask("POST", "/_fault", json.dumps({"do": "status", "status": 500, "times": None}).encode())
        assert [api.meta("x").status for _ in range(3)] == [500] * 3
        told = api.ask("GET", "/_fault").json
        assert told["rules"] == [{"do": "status", "hits": 3}]
        assert [(seen["operation"], seen["fault"]) for seen in told["log"]] == [("objects.get", "status")] * 3
        assert api.ask("POST", "/_fault", b'{"do": "explode"}').status == 400
        assert api.ask("DELETE", "/_fault").json["log"] == []
        assert api.meta("x").status == 200
        assert api.ask("GET", "/_fault").json["counts"]["class_b"] == 1
        assert api.ask("POST", "/_fault/refuse", b'{"seconds": 1}').status == 200
        wait_until(lambda: refused(api.endpoint), "refused connections")
        wait_until(lambda: not refused(api.endpoint), "a listener")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def refused(endpoint: str) -> bool:
    try:
        Api(endpoint).meta("x")
    except ConnectionRefusedError:
        return True
    except CLOSED:  # at the moment at which it begins
        return False
    return False
