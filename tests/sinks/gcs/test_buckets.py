"""What a bucket may be set up to, and what is said where that can't work: docs/gcs.md, sentence by sentence."""

from dataclasses import replace

import pytest
from sinks.gcs.conftest import MakeBackend
from sinks.test_backends import FINAL, STAGED, described, stage
from support.fault_proxy import FaultProxy
from support.gcs_server import GcsServer, Grant, Rules

from streamlake.engine.errors import StorageAccessError, StorageError
from streamlake.plugins.sinks.file.backends.base import Backend

ALL = ("storage.objects.create", "storage.objects.get", "storage.objects.list", "storage.objects.delete")


def test_a_bucket_that_has_all_rights_passes_and_nothing_is_left(backend: Backend, server: GcsServer) -> None:
    assert list(backend.probe()) == []
    assert list(server.bucket().names()) == []


@pytest.mark.parametrize("missing", ALL)
def test_the_permission_that_is_missing_is_named(backend: Backend, server: GcsServer, missing: str) -> None:
    server.bucket().rules = Rules(grants=[Grant.of(*(set(ALL) - {missing}))])
    problems = backend.probe()
    assert problems
    for problem in problems:
        assert problem.startswith("sink.root: can't ")
        assert f"the permission {missing} is missing" in problem
        assert "roles/storage.objectUser" in problem


def test_all_that_is_missing_is_named_at_once(backend: Backend, server: GcsServer) -> None:
    server.bucket().rules = Rules(grants=[])
    text = "\n".join(backend.probe())
    for permission in ALL:
        assert permission in text


def test_an_account_for_the_prefix_alone_is_enough_and_for_another_is_not(
    make_backend: MakeBackend, server: GcsServer
) -> None:
    server.bucket().rules = Rules(grants=[Grant.of(*ALL, prefix="lake/")])
    assert list(make_backend().probe()) == []
    assert publish_one(make_backend())
    assert "storage.objects.create is missing" in make_backend("gs://streamlake/other").probe()[0]


def publish_one(backend: Backend) -> bool:
    return backend.publish(stage(backend, b"content")) and backend.read(FINAL) == b"content"


def test_without_a_right_it_is_said_what_to_do_and_the_partition_waits_for_a_person(
    backend: Backend, server: GcsServer
) -> None:
    server.bucket().rules = Rules(grants=[Grant.of("storage.objects.get")])
    with pytest.raises(StorageAccessError) as raised:
        backend.put_if_absent("_ledger/0.json", b"entry", stage="")
    assert raised.value.parks
    for words in ("gs://streamlake/lake/ refuses us", "storage.objects.create", "roles/storage.objectUser", "SIGHUP"):
        assert words in str(raised.value)


@pytest.mark.parametrize(
    "rules",
    [Rules(versioning=True), Rules(soft_delete=True), Rules(move=False), Rules(move=False, rewrite_bytes_a_call=3)],
    ids=["versioning", "soft delete", "no moveTo", "no moveTo, and copies in many calls"],
)
def test_these_make_no_difference(backend: Backend, server: GcsServer, rules: Rules) -> None:
    server.bucket().rules = rules
    assert list(backend.probe()) == []
    assert publish_one(backend)
    assert publish_one(backend), "it can be repeated"
    assert backend.read(STAGED) is None
    with pytest.raises(StorageError, match="holds other bytes"):
        backend.publish(stage(backend, b"others!"))
    assert backend.read(FINAL) == b"content"
    nowhere = replace(described(b"content"), staged="_stage/nowhere", final="raw/nowhere")
    assert not backend.publish(nowhere)


def test_a_retention_policy_can_not_work_and_that_is_said(backend: Backend, server: GcsServer) -> None:
    server.bucket().rules = Rules(retention_seconds=1000)
    assert any("retention policy" in problem and "docs/gcs.md" in problem for problem in backend.probe())
    with pytest.raises(StorageError, match="the bucket has a retention policy"):
        backend.publish(stage(backend, b"content"))
    assert backend.read(STAGED) == b"content", "nothing is lost"


def test_a_bucket_whose_requester_pays_needs_a_project(
    make_backend: MakeBackend, server: GcsServer, proxy: FaultProxy
) -> None:
    server.bucket().rules = Rules(requester_pays=True)
    assert all("sink.gcs.billing_project" in problem for problem in make_backend().probe())
    proxy.log.clear()
    paying = make_backend(billing_project="my-project")
    assert list(paying.probe()) == []
    assert publish_one(paying)
    assert all("userProject=my-project" in seen.target for seen in proxy.log if "upload_id" not in seen.target)


@pytest.mark.parametrize(("key", "says"), [("disabled", "Cloud KMS key is disabled"), ("denied", "Cloud KMS key")])
def test_a_key_that_can_not_be_used_is_said(backend: Backend, server: GcsServer, key: str, says: str) -> None:
    server.bucket().rules = Rules(key=key)  # type: ignore[arg-type]  # one of its words
    with pytest.raises(StorageError, match=says):
        backend.put_if_absent("_ledger/0.json", b"entry", stage="")


def test_a_key_of_the_pipelines_own_goes_with_every_upload(make_backend: MakeBackend, proxy: FaultProxy) -> None:
    key = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    backend = make_backend(kms_key=key)
    assert publish_one(backend)
    begun = [seen.target for seen in proxy.log if seen.method == "POST" and "uploadType" in seen.target]
    assert begun
    assert all("kmsKeyName=projects" in target for target in begun)


def test_a_bucket_that_is_gone_is_an_error_and_not_an_empty_root(make_backend: MakeBackend) -> None:
    backend = make_backend("gs://no-such-bucket/lake")
    with pytest.raises(StorageError, match="bucket does not exist"):
        backend.read("_runs/live-1.json")
    with pytest.raises(StorageError, match="bucket does not exist"):
        backend.list("_ledger")
    assert all("bucket does not exist" in problem for problem in backend.probe())
