"""The rules of a bucket and who may do what, on the tests' own storage server."""

from collections.abc import Callable

import pytest
from support.gcs.client import Api, Reply
from support.gcs_server import GcsServer, Grant, Rules

EVERYTHING = ("storage.objects.create", "storage.objects.get", "storage.objects.list", "storage.objects.delete")


# -- rules of a bucket ----------------------------------------------------------------------------------------------


def test_what_is_under_retention_stays(api: Api, server: GcsServer) -> None:
    api.put("x", b"1")
    api.put("y", b"2")
    server.bucket().rules = Rules(retention_seconds=3600)
    for reply in (api.delete("x"), api.put("x", b"3"), api.move("x", "z"), api.move("y", "x"), api.rewrite("y", "x")):
        assert reply.refusal == (403, "retentionPolicyNotMet")
        assert "is subject to bucket's retention policy" in reply.message
    assert (api.media("x").body, api.put("new", b"4").status, api.rewrite("x", "copy").status) == (b"1", 200, 200)
    server.bucket().rules = Rules(retention_seconds=0.000001)
    assert api.delete("x").status == 204


def test_with_versioning_the_old_generation_can_still_be_had(api: Api, server: GcsServer) -> None:
    server.bucket().rules = Rules(versioning=True)
    first = int(api.put("x", b"first").json["generation"])
    second = int(api.put("x", b"second").json["generation"])
    assert (api.media("x").body, api.media("x", generation=first).body) == (b"second", b"first")
    api.delete("x")
    assert (api.media("x").status, api.media("x", generation=second).body) == (404, b"second")
    assert api.put("x", b"third", ifGenerationMatch=0).status == 200, "noncurrent ones do not count"
    assert (api.delete("x", generation=first).status, api.media("x", generation=first).status) == (204, 404)
    assert len(api.page()["items"]) == 1


def test_what_is_softly_deleted_reads_as_gone(api: Api, server: GcsServer) -> None:
    server.bucket().rules = Rules(soft_delete=True)
    generation = int(api.put("x", b"1").json["generation"])
    api.delete("x")
    assert (api.meta("x").status, api.media("x", generation=generation).status) == (404, 404)
    assert set(api.page()) == {"kind"}
    assert [old.generation for old in server.bucket().soft_deleted] == [generation]
    assert api.put("x", b"2", ifGenerationMatch=0).status == 200


def test_where_the_requester_pays_a_project_is_named(api: Api, server: GcsServer) -> None:
    api.put("x", b"1")
    server.bucket().rules = Rules(requester_pays=True)
    for reply in (api.meta("x"), api.begin("y"), api.delete("x"), api.move("x", "y"), api.rewrite("x", "y")):
        assert reply.refusal == (400, "userProjectMissing")
        assert reply.message == "Bucket is a requester pays bucket but no user project provided."
    assert api.media("x", userProject="ours").body == b"1"
    assert api.put("y", b"2", userProject="ours").status == 200


@pytest.mark.parametrize(
    ("key", "answer"), [("disabled", (400, "cloudKmsDisabledKey")), ("denied", (403, "forbidden"))]
)
def test_without_its_key_a_buckets_data_is_out_of_reach(key: str, answer: object, api: Api, server: GcsServer) -> None:
    api.put("x", b"1")
    server.bucket().rules = Rules.from_json({"key": key})
    for reply in (api.media("x"), api.begin("y"), api.rewrite("x", "y")):
        assert reply.refusal == answer
    found = api.meta("x").json
    assert (found["size"], "crc32c" in found, "md5Hash" in found) == ("1", False, False)
    assert api.delete("x").status == 204


# -- who may do what ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", EVERYTHING)
def test_a_permission_that_is_missing_is_told_in_googles_words(missing: str, api: Api, server: GcsServer) -> None:
    api.put("x", b"1")
    server.bucket().rules = Rules(grants=[Grant.of(*(set(EVERYTHING) - {missing}))])
    asked: dict[str, list[Callable[[], Reply]]] = {
        "create": [lambda: api.begin("y"), lambda: api.move("x", "y"), lambda: api.rewrite("x", "y")],
        "get": [
            lambda: api.meta("x"),
            lambda: api.media("x"),
            lambda: api.move("x", "y"),
            lambda: api.rewrite("x", "y"),
        ],
        "list": [lambda: api.ask("GET", "/storage/v1/b/streamlake/o")],
        "delete": [lambda: api.delete("x"), lambda: api.move("x", "y"), lambda: api.begin("x")],
    }
    on = "bucket" if missing.endswith("list") else "object"
    for ask in asked[missing.rpartition(".")[2]]:
        reply = ask()
        assert reply.refusal == (403, "forbidden")
        assert f"does not have {missing} access to the Google Cloud Storage {on}." in reply.message
        assert f"Permission '{missing}' denied on resource (or it may not exist)." in reply.message
    assert server.bucket().names() == ["x"]


def test_a_grant_holds_for_its_prefix_alone(api: Api, server: GcsServer) -> None:
    server.bucket().rules = Rules(grants=[Grant.of(*EVERYTHING, prefix="lake/"), Grant.of("storage.buckets.get")])
    assert (api.put("lake/x", b"1").status, api.put("other/x", b"1").status) == (200, 403)
    assert api.move("lake/x", "other/x").status == 403
    assert api.ask("GET", "/storage/v1/b/streamlake/o?prefix=lake/").status == 200
    assert api.ask("GET", "/storage/v1/b/streamlake/o").status == 403
    assert api.ask("GET", "/storage/v1/b/streamlake").status == 200
    server.bucket().rules = Rules(grants=[])
    assert api.ask("GET", "/storage/v1/b/streamlake").status == 403


def test_one_may_be_allowed_to_move_and_neither_read_nor_delete(api: Api, server: GcsServer) -> None:
    api.put("x", b"1")
    api.put("y", b"2")
    server.bucket().rules = Rules(grants=[Grant.of("storage.objects.move", "storage.objects.create")])
    assert api.move("x", "y").status == 403, "replacing needs the right to delete"
    assert api.move("x", "z").status == 200


def test_a_token_is_asked_for_where_there_are_some(server: GcsServer) -> None:
    server.tokens = {"good"}
    assert Api(server.endpoint).meta("x").refusal == (401, "required")
    assert Api(server.endpoint, token="expired").meta("x").refusal == (401, "authError")
    good = Api(server.endpoint, token="good")
    session = good.session("x")
    assert good.meta("x").status == 404
    server.tokens = set()
    assert Api(server.endpoint).chunk(session, b"1").status == 200, "a session's address is enough"
