"""`streamlake keys` as a user meets it: a key is shown once, and nowhere else."""

import json
import re
from pathlib import Path

import pytest
from support.engine import streamlake
from support.yaml_file import SMALL

from streamlake.http_edge.keys import Keys

HTTP = "http: {keys_file: keys.json, streams: {orders: {topic: order.raw}, returns: {topic: order.late}}}\n"


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A pipeline's YAML with two streams; no key was made yet."""
    path = tmp_path / "orders.yaml"
    path.write_text(SMALL + HTTP)
    return path


def keys(action: str, pipeline: Path, *arguments: str, code: int = 0) -> tuple[str, str]:
    """The command's standard output and standard error."""
    done = streamlake("keys", action, str(pipeline), *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


def test_a_key_is_made_listed_used_and_revoked_and_shown_once(pipeline: Path) -> None:
    file = pipeline.with_name("keys.json")
    assert keys("list", pipeline) == (
        "",
        f"no key in {file}; `streamlake keys new {pipeline} --name NAME` makes one\n",
    )
    shop, hints = keys("new", pipeline, "--name", "shop")
    match = re.fullmatch(r"slk_([a-z0-9]{8})_([0-9a-f]{64})\n", shop)
    assert match, "standard output is the key and nothing else"
    key_id, secret = match.groups()
    assert f"made key {key_id} (shop) for all streams, in {file}; it is shown this once" in hints
    till, more_hints = keys("new", pipeline, "--name", "till", "--stream", "orders", "--stream", "returns")
    assert "(till) for orders, returns, in" in more_hints

    in_force = Keys(file)
    found = in_force.find(till.strip())
    assert in_force.find(shop.strip()) is not None
    assert found is not None
    assert (found.may("orders"), found.may("others")) == (True, False)

    listed = keys("list", pipeline)
    lines = listed[0].splitlines()
    assert lines[0].split() == ["id", "name", "streams", "created"]
    assert lines[1].split() == [key_id, "shop", "*", lines[1].split()[-1]]
    assert lines[2].split()[:4] == [found.id, "till", "orders,", "returns"]
    as_json = keys("list", pipeline, "--json")
    one, other = json.loads(as_json[0])
    assert {**one, "created_at": ""} == {"id": key_id, "name": "shop", "streams": ["*"], "created_at": ""}
    assert (other["name"], other["streams"]) == ("till", ["orders", "returns"])

    wrong = keys("revoke", pipeline, "shop", code=2)
    assert f"there is no key 'shop'; did you mean {key_id} (shop)?" in wrong[1]
    revoked = keys("revoke", pipeline, key_id)
    assert revoked == (f"revoked key {key_id} (shop)\n", "")
    again = keys("revoke", pipeline, shop.strip(), code=2)
    assert f"there is no key '{key_id}'" in again[1]
    assert [entry["name"] for entry in json.loads(keys("list", pipeline, "--json")[0])] == ["till"]

    written = file.read_text()
    everything = "".join([hints, more_hints, written, *listed, *as_json, *wrong, *revoked, *again])
    assert secret not in everything
    assert till.strip().rpartition("_")[2] not in everything


def test_all_streams_may_be_asked_for_by_their_sign(pipeline: Path) -> None:
    assert "for all streams" in keys("new", pipeline, "--name", "shop", "--stream", "*")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ["new", "--name", "x", "--stream", "order"],
            2,
            "--stream order: there is no such stream; did you mean orders?",
        ),
        (["new", "--name", "x", "--stream", "zzz"], 2, "there is no such stream; the pipeline has: orders, returns"),
        (["new", "--name", "x", "--stream", "*", "--stream", "orders"], 2, "must be names of streams, or * alone"),
        (["new"], 2, "Missing option '--name'"),
        (["new", "--name", ""], 2, "the name must be 1 to 100 printable characters"),
        (["revoke"], 2, "Missing argument: it takes PIPELINE.yaml... ID"),
        (["revoke", "abcdefgh"], 2, "there is no key 'abcdefgh'; there are: none"),
        (["list", "--set", "http.keys_file=orders.yaml"], 78, "orders.yaml: is no keys file: "),
        (["new", "--name", "x", "--set", "http.keys_file=nowhere/keys.json"], 78, "keys.json: can't be written"),
    ],
)
def test_a_wrong_order_is_a_sentence_and_makes_no_key(
    pipeline: Path, arguments: list[str], code: int, said: str
) -> None:
    action, *rest = arguments
    assert said in keys(action, pipeline, *rest, code=code)[1]
    assert not pipeline.with_name("keys.json").exists()


@pytest.mark.parametrize("action", [["new", "--name", "x"], ["list"], ["revoke", "abcdefgh"]])
@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("", "has no http section, so there is nothing to post to; add one: http: {keys_file: keys.json, streams: "),
        (HTTP.replace("keys_file: keys.json, ", ""), "http.keys_file is missing; add to the http section: keys_file: "),
    ],
)
def test_a_pipeline_without_a_keys_file_is_told_what_to_add(
    pipeline: Path, action: list[str], section: str, said: str
) -> None:
    pipeline.write_text(SMALL + section)
    name, *rest = action
    out, error = keys(name, pipeline, *rest, code=78)
    assert out == ""
    assert f"{pipeline}: {said}" in error
