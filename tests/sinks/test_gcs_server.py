"""The tests' own storage server holds what Google documents of the JSON API, over real sockets."""

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote, urlsplit

import google_crc32c
import pytest
from support.gcs.client import QUARTER_MIB_BYTES as QUARTER_MIB
from support.gcs.client import Api
from support.gcs_server import GcsServer, Rules

TESTS = Path(__file__).parent.parent
NAMES = ["a/1", "a/2", "a/b/1", "a/b/2", "c", "é", "\U0001f600"]


# -- objects --------------------------------------------------------------------------------------------------------


def test_an_object_comes_back_with_what_google_says_of_it(api: Api, server: GcsServer) -> None:
    data, name = os.urandom(100_000), "raw/orders/ä +%/0-99.parquet"
    made = api.put(name, data).json
    assert made == api.meta(name).json
    assert (made["name"], made["bucket"], made["size"], made["metageneration"]) == (name, "streamlake", "100000", "1")
    crc32c = base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()
    assert (made["crc32c"], made["md5Hash"]) == (crc32c, base64.b64encode(hashlib.md5(data).digest()).decode())
    assert made["generation"].isdigit()
    assert made["timeCreated"].endswith("Z")
    got = api.media(name)
    assert (got.body, got.headers["X-Goog-Generation"]) == (data, made["generation"])
    assert got.headers["X-Goog-Hash"] == f"crc32c={crc32c},md5={made['md5Hash']}"
    assert api.ask("GET", urlsplit(made["mediaLink"]).path + "?alt=media").body == data
    assert server.bucket().data(name) == data


@pytest.mark.parametrize(
    ("asked", "status", "got"),
    [("2-4", 206, b"234"), ("7-", 206, b"789"), ("-2", 206, b"89"), ("8-99", 206, b"89"), ("10-", 416, b"")],
)
def test_a_range_is_a_part(asked: str, status: int, got: bytes, api: Api) -> None:
    api.put("x", b"0123456789")
    reply = api.media("x", asked)
    assert (reply.status, reply.body if status == 206 else b"") == (status, got)
    assert reply.headers["Content-Range"].endswith("/10")


def test_what_is_not_there_is_404_in_googles_form(api: Api) -> None:
    for reply in (api.meta("x"), api.media("x"), api.delete("x"), api.move("x", "y"), api.rewrite("x", "y")):
        assert reply.refusal == (404, "notFound")
        assert reply.json["error"]["code"] == 404
        assert reply.message == "No such object: streamlake/x"
    assert Api(api.endpoint, "no-such-bucket").meta("x").refusal == (404, "notFound")
    assert api.ask("GET", "/storage/v2/b").refusal == (404, "notFound")


def test_every_writing_is_a_new_generation(api: Api) -> None:
    generations = [int(api.put("x", b"%d" % number).json["generation"]) for number in range(50)]
    assert generations == sorted(set(generations))


def test_buckets_are_made_once(api: Api) -> None:
    made = api.ask("POST", "/storage/v1/b?project=p", b'{"name": "new-bucket"}')
    assert made.json["name"] == "new-bucket"
    assert Api(api.endpoint, "new-bucket").put("x", b"1").status == 200
    assert api.ask("POST", "/storage/v1/b?project=p", b'{"name": "new-bucket"}').refusal == (409, "conflict")
    assert api.ask("POST", "/storage/v1/b?project=p", b'{"name": "A"}').refusal == (400, "invalid")
    assert api.ask("GET", "/storage/v1/b/new-bucket").json["kind"] == "storage#bucket"
    assert api.ask("GET", "/storage/v1/b/another").status == 404


def test_simple_uploads_are_refused_with_the_reason(api: Api) -> None:
    for kind in ("multipart", "media"):
        reply = api.ask("POST", f"/upload/storage/v1/b/streamlake/o?uploadType={kind}&name=x", b"x" * 500_000)
        assert reply.refusal == (400, "invalid")
        assert "fixed boundary" in reply.message
    assert api.meta("x").status == 404


# -- listing --------------------------------------------------------------------------------------------------------


def test_a_listing_has_names_and_prefixes_in_the_order_of_utf8(api: Api) -> None:
    for name in reversed(NAMES):
        api.put(name, name.encode())
    assert [item["name"] for item in api.page()["items"]] == sorted(NAMES, key=str.encode)
    page = api.page(prefix="a/", delimiter="/")
    assert ([item["name"] for item in page["items"]], page["prefixes"]) == (["a/1", "a/2"], ["a/b/"])
    assert page["items"][0] == api.meta("a/1").json
    assert api.page(delimiter="/")["prefixes"] == ["a/"]
    assert [item["name"] for item in api.page(startOffset="a/2", endOffset="c")["items"]] == ["a/2", "a/b/1", "a/b/2"]
    assert set(api.page(prefix="nothing")) == {"kind"}


@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_together_are_the_listing(size: int, delimiter: str, api: Api) -> None:
    for name in NAMES:
        api.put(name, b"")
    whole = api.page(delimiter=delimiter)
    found: list[str] = []
    page = api.page(delimiter=delimiter, maxResults=size)
    while True:
        names = [item["name"] for item in page.get("items", [])] + page.get("prefixes", [])
        assert len(names) <= size
        found += names
        if "nextPageToken" not in page:
            break
        page = api.page(delimiter=delimiter, maxResults=size, pageToken=page["nextPageToken"])
    assert sorted(found) == sorted([item["name"] for item in whole["items"]] + whole.get("prefixes", []))


# -- preconditions --------------------------------------------------------------------------------------------------


def test_a_get_with_preconditions(api: Api) -> None:
    api.put("x", b"1")
    generation = api.generation("x")
    for get in (api.meta, api.media):
        assert get("x", ifGenerationMatch=generation).status == 200
        assert get("x", ifGenerationMatch=generation - 1).refusal == (412, "conditionNotMet")
        unchanged = get("x", ifGenerationNotMatch=generation)
        assert (unchanged.status, unchanged.body) == (304, b"")
        assert get("x", ifGenerationNotMatch=generation - 1).status == 200
        assert get("x", ifMetagenerationMatch=2).status == 412
        assert get("x", ifMetagenerationNotMatch=1).status == 304
    assert api.meta("x", ifGenerationMatch="one").refusal == (400, "invalidParameter")


def test_a_delete_with_preconditions(api: Api) -> None:
    api.put("x", b"1")
    generation = api.generation("x")
    assert api.delete("x", ifGenerationMatch=generation - 1).status == 412
    assert api.delete("x", ifGenerationNotMatch=generation).status == 412
    assert api.delete("x", ifMetagenerationMatch=2).status == 412
    assert api.media("x").body == b"1"
    assert (api.delete("x", ifGenerationMatch=generation).status, api.meta("x").status) == (204, 404)


def test_an_upload_with_preconditions(api: Api) -> None:
    assert api.put("x", b"1", ifGenerationMatch=0).status == 200
    assert api.begin("x", ifGenerationMatch=0).refusal == (412, "conditionNotMet")
    assert api.put("x", b"2", ifGenerationMatch=api.generation("x")).status == 200
    assert api.put("x", b"3", ifGenerationNotMatch=0).status == 200
    for any_generation in (0, 5):
        assert api.put("y", b"3", ifGenerationNotMatch=any_generation).status == 412, "there is no live one"
    assert api.media("x").body == b"3"


# -- move and rewrite -----------------------------------------------------------------------------------------------


def test_a_move_is_whole_and_makes_a_new_generation(api: Api, server: GcsServer) -> None:
    before = api.put("stage/x", b"data").json
    moved = api.move("stage/x", "raw/x", ifGenerationMatch=0).json
    assert (moved["name"], moved["size"], moved["crc32c"]) == ("raw/x", "4", before["crc32c"])
    assert int(moved["generation"]) > int(before["generation"])
    assert server.bucket().names() == ["raw/x"]
    assert api.media("raw/x").body == b"data"
    assert api.move("stage/x", "raw/x", ifGenerationMatch=0).status == 404, "it has moved already"


def test_a_move_with_preconditions(api: Api) -> None:
    api.put("x", b"source")
    api.put("y", b"target")
    source, target = api.generation("x"), api.generation("y")
    assert api.move("x", "y", ifGenerationMatch=0).refusal == (412, "conditionNotMet")
    assert api.move("x", "y", ifGenerationMatch=source).status == 412, "it is the target's"
    assert api.move("x", "y", ifSourceGenerationMatch=target).status == 412
    assert api.move("x", "y", ifSourceMetagenerationMatch=2).status == 412
    assert api.move("x", "x").status == 400
    assert (api.media("x").body, api.media("y").body) == (b"source", b"target")
    assert api.move("x", "y", ifGenerationMatch=target, ifSourceGenerationMatch=source).status == 200
    assert (api.meta("x").status, api.media("y").body) == (404, b"source")


def test_which_of_both_a_move_looks_at_first_is_a_setting(api: Api, server: GcsServer) -> None:
    api.put("y", b"target")
    assert api.move("x", "y", ifGenerationMatch=0).status == 404
    server.bucket().rules = Rules(move_looks_at_target_first=True)
    assert api.move("x", "y", ifGenerationMatch=0).status == 412


def test_a_rewrite_copies_in_as_many_calls_as_it_needs(api: Api, server: GcsServer) -> None:
    server.bucket().rules = Rules(rewrite_bytes_a_call=4)
    api.put("x", b"0123456789")
    first = api.rewrite("x", "y").json
    assert (first["done"], first["totalBytesRewritten"], first["objectSize"]) == (False, "4", "10")
    assert api.meta("y").status == 404
    second = api.rewrite("x", "y", rewriteToken=first["rewriteToken"]).json
    assert api.rewrite("x", "z", rewriteToken=second["rewriteToken"]).refusal == (400, "invalid")
    assert api.rewrite("x", "y", rewriteToken="made-up").refusal == (410, "gone")
    last = api.rewrite("x", "y", rewriteToken=second["rewriteToken"]).json
    assert (last["done"], last["totalBytesRewritten"]) == (True, "10")
    assert last["resource"] == api.meta("y").json
    assert (api.media("x").body, api.media("y").body) == (b"0123456789", b"0123456789")


def test_a_rewrite_with_preconditions(api: Api, server: GcsServer) -> None:
    server.bucket().rules = Rules(rewrite_bytes_a_call=4)
    api.put("x", b"0123456")
    source = api.generation("x")
    assert api.rewrite("x", "y", ifSourceGenerationMatch=source + 1).status == 412
    begun = api.rewrite("x", "y", ifGenerationMatch=0).json
    api.put("y", b"another writer's", ifGenerationMatch=0)
    for token in ({}, {"rewriteToken": begun["rewriteToken"]}):
        assert api.rewrite("x", "y", ifGenerationMatch=0, **token).refusal == (412, "conditionNotMet")
    assert api.media("y").body == b"another writer's"


def test_without_a_move_the_route_is_not_there(api: Api, server: GcsServer) -> None:
    server.bucket().rules = Rules(move=False)
    api.put("x", b"1")
    assert api.move("x", "y").refusal == (404, "notFound")
    assert api.media("x").body == b"1"


# -- counts, folders, processes -------------------------------------------------------------------------------------


def test_operations_are_counted_as_google_charges_them(api: Api, server: GcsServer) -> None:
    session = api.session("x")
    api.chunk(session, b"x" * QUARTER_MIB, f"0-{QUARTER_MIB - 1}/*")
    api.chunk(session, b"", "*/*")
    api.chunk(session, b"y", f"{QUARTER_MIB}-{QUARTER_MIB}/{QUARTER_MIB + 1}")
    assert (server.counts.class_a, server.counts.class_b) == (1, 0), "an upload is one, whatever its chunks"
    api.meta("x")
    api.media("x")
    api.page()
    api.move("x", "y")
    api.rewrite("y", "x")
    api.delete("x")
    assert (server.counts.class_a, server.counts.class_b) == (4, 2)
    for missing in (api.meta, api.media, api.delete):
        missing("nothing")
    api.ask("GET", "/nowhere")
    assert (server.counts.class_a, server.counts.class_b) == (4, 2), "what fails is not charged"
    assert server.counts.operations == {
        "objects.insert": 1,
        "objects.insert.chunk": 2,
        "objects.insert.status": 1,
        "objects.get": 2,
        "objects.get.media": 2,
        "objects.list": 1,
        "objects.move": 1,
        "objects.rewrite": 1,
        "objects.delete": 2,
        "none": 1,
    }


def test_one_that_discards_knows_sizes_and_checksums_and_keeps_small_objects() -> None:
    big = os.urandom(QUARTER_MIB + 1)
    with GcsServer(discard=True) as server:
        api = Api(server.endpoint)
        api.put("small", b"an entry")
        made = api.put("big", big).json
        assert api.media("small").body == b"an entry"
        assert made["crc32c"] == base64.b64encode(google_crc32c.value(big).to_bytes(4, "big")).decode()
        assert (made["size"], api.media("big").status) == (str(len(big)), 501)
        assert api.move("big", "moved").json["crc32c"] == made["crc32c"]


def test_a_folder_keeps_objects_for_the_next_server(tmp_path: Path) -> None:
    with GcsServer(folder=tmp_path) as server:
        api = Api(server.endpoint)
        for name in ("kept", "moved", "deleted", "replaced"):
            api.put(name, name.encode())
        api.move("moved", "target")
        api.rewrite("kept", "copy")
        api.delete("deleted")
        api.put("replaced", b"new")
        api.chunk(api.session("half"), b"x" * QUARTER_MIB, f"0-{QUARTER_MIB - 1}/*")
        before = {name: api.meta(name).json for name in server.bucket().names()}
    with GcsServer(server.port, folder=tmp_path) as server:
        api = Api(server.endpoint)
        assert {name: api.meta(name).json for name in server.bucket().names()} == before
        assert {name: api.media(name).body for name in before} == {
            "copy": b"kept",
            "kept": b"kept",
            "replaced": b"new",
            "target": b"moved",
        }
        assert int(api.put("x", b"").json["generation"]) > max(int(item["generation"]) for item in before.values())
    assert len(list((tmp_path / "streamlake" / "blobs").iterdir())) == 5


def test_a_kill_between_the_steps_of_a_move_leaves_one_name(tmp_path: Path) -> None:
    with GcsServer(folder=tmp_path) as server:
        api = Api(server.endpoint)
        api.put("x", b"1")
        old = next((tmp_path / "streamlake" / "objects").glob("*.json"))
        before = old.read_bytes()
        api.move("x", "y")
    old.write_bytes(before)  # as if it had been killed before this one was removed
    with GcsServer(folder=tmp_path) as server:
        assert server.bucket().names() == ["y"]
        assert server.bucket().data("y") == b"1"


def test_a_port_that_is_taken_is_an_error(server: GcsServer) -> None:
    with pytest.raises(OSError, match="in use"):
        GcsServer(server.port).start()


def test_as_a_process_it_is_told_rules_and_tells_counts(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "support.gcs_server",
        "--folder",
        str(tmp_path),
        "--bucket",
        "ours",
        "--token",
        "t",
    ]
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, cwd=tmp_path)
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        api = Api(process.stdout.readline().strip(), "ours", token="t")
        assert api.ask("GET", "/_internal/healthcheck").status == 200
        assert api.put("x", b"1").status == 200
        assert Api(api.endpoint, "ours").meta("x").status == 401
        rules = {"grants": [{"permissions": ["storage.objects.list"], "prefix": "a"}]}
        api.ask("PUT", "/_gcs/rules/ours", json.dumps(rules).encode())
        assert api.meta("x").status == 403
        assert api.page(prefix="a") == {"kind": "storage#objects"}
        counts = api.ask("GET", "/_gcs/counts").json
        assert (counts["class_a"], counts["class_b"], counts["operations"]["objects.get"]) == (2, 0, 2)
        assert api.ask("DELETE", "/_gcs/counts").json["operations"] == {}
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_the_names_of_objects_are_taken_apart_only_at_slashes_of_the_path(api: Api, server: GcsServer) -> None:
    name = "a/moveTo/o/b?c=d&e#f%2F"
    api.put(name, b"1")
    assert server.bucket().names() == [name]
    assert api.move(name, "a/o/b/rewriteTo").json["name"] == "a/o/b/rewriteTo"
    assert api.ask("GET", f"/download/storage/v1/b/streamlake/o/{quote('a/o/b/rewriteTo', safe='')}").body == b"1"
