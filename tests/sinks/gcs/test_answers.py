"""Answers that are none of the storage's: redirects, gateways' pages, torn resources; and what may never be said."""

import threading
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest
from sinks.gcs.conftest import MakeBackend
from sinks.making import IDENTITY, batch, job, options, staged
from sinks.test_backends import FINAL, STAGED, stage
from structlog.testing import capture_logs
from support.fault_proxy import FaultProxy, Rule
from support.gcs_server import GcsServer, Grant, Rules

from streamlake.engine.errors import StorageAccessError, StorageError
from streamlake.plugins.sinks.file.backends.base import Backend
from streamlake.plugins.sinks.file.backends.gcs.upload import PIECE_BYTES
from streamlake.plugins.sinks.file.partition import FilePartitionSink
from streamlake.plugins.sinks.file.sink import FileSink

PAGE: dict[str, Any] = {"headers": {"Content-Type": "text/html"}, "body": "<html>no such page</html>"}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_redirect_is_no_answer_and_nothing_follows_it(backend: Backend, proxy: FaultProxy, method: str) -> None:
    with FaultProxy(proxy.upstream) as elsewhere:
        headers = {"Location": f"{elsewhere.endpoint}/elsewhere"}
        rule = proxy.add(Rule("status", method=method, status=302, headers=headers))
        assert backend.put_if_absent("_ledger/0.json", b"entry", stage="")
        assert backend.read("_ledger/0.json") == b"entry"
        backend.delete("_ledger/0.json")
        assert backend.read("_ledger/0.json") is None
        assert rule.hits == 1
        assert not elsewhere.log


def test_a_gateways_page_does_not_mean_that_an_object_is_missing(backend: Backend, proxy: FaultProxy) -> None:
    assert backend.put_if_absent("_ledger/0.json", b"entry", stage="")
    for method, call in (
        ("GET", lambda: backend.read("_ledger/0.json")),
        ("GET", lambda: backend.stored("_ledger/0.json")),
    ):
        rule = proxy.add(Rule("status", method=method, status=404, **PAGE))
        assert call() is not None
        assert rule.hits == 1
    file = stage(backend, b"content")
    proxy.add(Rule("status", method="POST", path="moveTo", status=404, **PAGE))
    assert backend.publish(file)
    assert (backend.read(FINAL), backend.read(STAGED)) == (b"content", None)


def test_no_part_of_an_uploads_address_is_ever_said(make_backend: MakeBackend, proxy: FaultProxy) -> None:
    said = '{"error": {"code": 503, "message": "no: /o?uploadType=resumable&upload_id=SECRET-1 Bearer SECRET-2"}}'
    for body in (said, "an HTML page that names ?upload_id=SECRET-3"):
        for status in (503, 400):
            rule = proxy.add(Rule("status", method="PUT", status=status, times=inf, body=body))
            backend = make_backend(retry_seconds_max=0.3)
            backend.begin_batch()
            with pytest.raises(StorageError) as raised, capture_logs() as logs:
                backend.put_if_absent("_ledger/0.json", b"entry", stage="")
            proxy.rules.remove(rule)
            assert "SECRET" not in str(raised.value) + repr(logs)
            assert bool(logs) is (status == 503), "the wait is said"


def test_the_last_piece_is_asked_for_again_when_its_answer_says_nothing(
    backend: Backend, proxy: FaultProxy, server: GcsServer
) -> None:
    payload = bytes(PIECE_BYTES + 1000)
    rule = proxy.add(Rule("status", method="PUT", pass_first=1, status=200, after=True, body="{}"))
    with backend.create(STAGED) as out:
        out.write(payload)
        out.seal()
    assert rule.hits == 1
    assert server.bucket().data(f"lake/{STAGED}") == payload


@pytest.mark.parametrize("status", [404, 410])
def test_a_small_payload_whose_session_is_gone_begins_another(backend: Backend, proxy: FaultProxy, status: int) -> None:
    rule = proxy.add(Rule("status", method="PUT", status=status))
    assert backend.put_if_absent("_ledger/0.json", b"entry", stage="")
    assert rule.hits == 1


def test_what_a_person_has_to_do_is_said_also_of_many_at_once(backend: Backend, server: GcsServer) -> None:
    files = [replace(stage(backend, b"content", f"_stage/{number}"), final=f"raw/{number}") for number in range(5)]
    server.bucket().rules = Rules(grants=[Grant.of("storage.objects.get")])
    with pytest.raises(StorageAccessError, match=r"refuses us.*roles/storage\.objectUser.*SIGHUP"):
        backend.publish_all(files)


def test_a_worker_that_begins_while_nobody_answers_gives_signs_of_life_and_tells(proxy: FaultProxy) -> None:
    gcs = {"endpoint": proxy.endpoint, "credentials": "anonymous", "request_seconds_max": 1.5}
    sink = FileSink.from_options({"root": "gs://streamlake/lake", "gcs": gcs}, base_dir=Path("/"))
    sink.register_run(IDENTITY)
    beats, told = [], list[str | None]()
    end = sink.partition(replace(job(), beat=lambda: beats.append(threading.current_thread()), waits=told.append))
    rule = proxy.add(Rule("hang", method="GET"))
    assert sink.find_run("live-1") == IDENTITY
    assert rule.hits == 1
    assert set(beats) == {threading.current_thread()}
    assert told == ["timeout", None]
    assert end.head().seq == -1


def test_what_was_committed_and_is_under_neither_name_is_not_collected(
    backend: Backend, proxy: FaultProxy, server: GcsServer
) -> None:
    """Whoever says for once that nothing stands there must not be the reason that it is so from then on."""
    dead = FilePartitionSink(backend, job(), options())
    dead.claim(dead.head())
    (file,) = dead.commit(staged(dead, batch([b"{}"]))).files
    missing = '{"error": {"code": 404, "message": "No such object", "errors": [{"reason": "notFound"}]}}'
    named = "|".join(name.replace("/", "(/|%2F)") for name in (file.staged, file.final))
    proxy.add(Rule("status", method="GET|POST", path=f"o/lake%2F({named})", status=404, body=missing, times=inf))
    following = FilePartitionSink(backend, job(), options())
    following.claim(following.head())
    assert following.missing_files == 1
    assert f"lake/{file.staged}" in server.bucket().names()
