"""The file of the API keys: what is in it and what never is, several who write it at once, and what damages it."""

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamlake.engine.errors import ConfigError, UsageError
from streamlake.http_edge.keys_file import KeyEntry, list_keys, new_key, parsed_keys, revoke_key

WRITER = """
import sys
from pathlib import Path
from streamlake.http_edge.keys_file import new_key, revoke_key
path, name = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for number in range(30):
    _, kept = new_key(path, f"{name} {number}", ["*"])
    _, revoked = new_key(path, "for a moment", ["*"])
    revoke_key(path, revoked.id)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def said(path: Path, key_id: str) -> str:
    """What revoking it is answered with."""
    with pytest.raises(UsageError) as caught:
        revoke_key(path, key_id)
    return str(caught.value)


def test_a_key_is_32_random_bytes_and_the_file_has_all_but_them(path: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    text, entry = new_key(path, "shop", ["orders", "returns", "orders"])
    match = re.fullmatch(r"slk_([a-z0-9]{8})_([0-9a-f]{64})", text)
    assert match
    (written,) = json.loads(path.read_bytes())["keys"]
    assert written == {
        "id": match[1],
        "name": "shop",
        "sha256": hashlib.sha256(match[2].encode()).hexdigest(),
        "streams": ["orders", "returns"],
        "created_at": entry.created_at,
    }
    assert before <= datetime.fromisoformat(entry.created_at) <= datetime.now(UTC)
    assert json.loads(path.read_bytes())["version"] == 1
    assert list_keys(path) == [entry]
    everything = [path.read_text(), str(list_keys(path)), repr(entry), said(path, "shop")]
    assert not [seen for seen in everything if match[2] in seen]
    assert new_key(path, "shop", ["*"])[0][13:] != match[2]


def test_keys_are_listed_in_the_order_they_were_made_and_go_one_by_one(path: Path) -> None:
    assert list_keys(path) == []
    entries = [new_key(path, name, ["*"])[1] for name in ("a", "b", "b")]
    assert list_keys(path) == entries
    assert revoke_key(path, entries[1].id) == entries[1]
    assert list_keys(path) == [entries[0], entries[2]]


def test_the_whole_key_may_be_given_for_its_id(path: Path) -> None:
    (shop, entry), (till, _) = new_key(path, "shop", ["*"]), new_key(path, "till", ["*"])
    assert revoke_key(path, shop) == entry
    revoke_key(path, till[:13])
    assert list_keys(path) == []
    assert shop[13:] not in said(path, shop)


def test_an_id_that_is_not_there_is_answered_with_the_near_ones(path: Path) -> None:
    assert said(path, "abcdefgh") == f"{path}: there is no key 'abcdefgh'; there are: none"
    assert not list(path.parent.iterdir()), "asking for a key makes no file"
    ids = {name: new_key(path, name, ["*"])[1].id for name in ("shop", "till")}
    assert said(path, "shop").endswith(f"there is no key 'shop'; did you mean {ids['shop']} (shop)?")
    assert re.search(rf"did you mean .*{ids['till']} \(till\)", said(path, ids["till"][:-1] + "_"))
    assert said(path, "?").endswith(f"there are: {ids['shop']} (shop), {ids['till']} (till)")
    for number in range(10):
        new_key(path, f"one more {number}", ["*"])
    assert said(path, "?").endswith("(one more 7), …")


def test_a_secret_in_the_place_of_an_id_is_not_repeated(path: Path) -> None:
    text, _ = new_key(path, "shop", ["*"])
    for pasted in (text[13:], text.upper(), f"Bearer {text}"):
        assert pasted not in said(path, pasted)


@pytest.mark.parametrize("name", ["", "x" * 101, "two\nlines", "\x1b[31m", " shop", "slk_abcdefgh_" + "0" * 64])
def test_a_name_that_people_can_not_read_or_should_not_is_refused_and_not_repeated(path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="the name must be 1 to 100 printable characters") as caught:
        new_key(path, name, ["*"])
    assert not name or name not in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize("streams", [[], ["*", "orders"]])
def test_streams_are_some_or_all(path: Path, streams: list[str]) -> None:
    with pytest.raises(UsageError, match=r"must be names of streams, or \* alone"):
        new_key(path, "shop", streams)
    assert not path.exists()


# how it is written


def test_two_processes_that_write_at_once_lose_nothing(path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("one", "other")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    assert sorted(entry.name for entry in list_keys(path)) == sorted(
        f"{name} {number}" for name in ("one", "other") for number in range(30)
    )
    assert sorted(file.name for file in path.parent.iterdir()) == ["keys.json", "keys.json.lock"]


def test_the_files_are_for_their_owner_alone_whatever_the_umask_and_whatever_they_were(path: Path) -> None:
    before = os.umask(0)
    try:
        new_key(path, "shop", ["*"])
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert modes == {"keys.json": 0o600, "keys.json.lock": 0o600}
        path.chmod(0o644)
        new_key(path, "till", ["*"])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_of_another_user_stays_theirs_when_root_writes_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fchown", lambda _, user, group: given.append((user, group)))
    new_key(path, "shop", ["*"])
    new_key(path, "till", ["*"])
    assert given == []
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    new_key(path, "edge", ["*"])
    assert given == [(owner, -1)]


def test_the_file_is_durable_before_it_has_its_name_and_its_name_is_after(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    sync, replace = os.fsync, Path.replace

    def recorded_sync(descriptor: int) -> None:
        calls.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        sync(descriptor)

    def recorded_replace(self: Path, target: Path) -> Path:
        calls.append("rename")
        assert self.parent == target.parent
        assert len(parsed_keys(self.read_bytes(), self)) == 1
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", recorded_sync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    new_key(path, "shop", ["*"])
    assert calls == ["sync file", "rename", "sync folder"]


def test_what_can_not_be_written_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_key(path, "shop", ["*"])
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match=r"keys\.json: can't be written: .*: No space left on device; the folder"):
        new_key(path, "till", ["*"])
    assert path.read_bytes() == before
    assert sorted(file.name for file in path.parent.iterdir()) == ["keys.json", "keys.json.lock"]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "keys.json"
    with pytest.raises(ConfigError, match=r"nowhere/keys\.json: can't be written: .*No such file"):
        new_key(path, "shop", ["*"])
    assert not path.parent.exists()


def test_a_link_stays_one_and_leads_to_the_file(tmp_path: Path, path: Path) -> None:
    (tmp_path / "kept").mkdir()
    path.symlink_to("kept/real.json")
    _, entry = new_key(path, "shop", ["*"])
    assert path.is_symlink()
    assert list_keys(tmp_path / "kept" / "real.json") == [entry]
    assert sorted(file.name for file in path.parent.iterdir()) == ["kept", "keys.json"]


# what is no keys file

ENTRY = {"id": "abcdefgh", "name": "shop", "sha256": "0" * 64, "streams": ["*"], "created_at": "2026-01-31T06:00:00Z"}


@pytest.mark.parametrize(
    ("tree", "what"),
    [
        ({"version": 2, "keys": {}}, "its version is 2, and this StreamLake reads version 1: use the StreamLake that"),
        ({"keys": []}, "missing required field `version`"),
        ({"version": 1}, "missing required field `keys`"),
        ({"version": 1, "keys": [], "more": 1}, "an unknown field"),
        (
            {"version": 1, "keys": [{**ENTRY, "slk_abcdefgh_00": 1}]},
            "Object contains an unknown field - at `$.keys[0]`",
        ),
        ({"version": 1, "keys": [{**ENTRY, "id": "ABCDEFGH"}]}, "at `$.keys[0].id`"),
        ({"version": 1, "keys": [{**ENTRY, "id": "abcdefgh\n"}]}, "at `$.keys[0].id`"),
        ({"version": 1, "keys": [{**ENTRY, "name": ""}]}, "at `$.keys[0].name`"),
        ({"version": 1, "keys": [{**ENTRY, "sha256": "slk_abcdefgh_00"}]}, "at `$.keys[0].sha256`"),
        ({"version": 1, "keys": [{**ENTRY, "streams": []}]}, "at `$.keys[0].streams`"),
        ({"version": 1, "keys": [{**ENTRY, "streams": "*"}]}, "at `$.keys[0].streams`"),
        ({"version": 1, "keys": [{**ENTRY, "created_at": "yesterday"}]}, "at `$.keys[0].created_at`"),
        ({"version": 1, "keys": [ENTRY, {**ENTRY, "name": "till"}]}, "two keys have the same id"),
    ],
)
def test_what_is_no_keys_file_is_said_and_left_alone(path: Path, tree: object, what: str) -> None:
    content = json.dumps(tree).encode()
    path.write_bytes(content)
    for use in (list_keys, lambda path: new_key(path, "x", ["*"]), lambda path: revoke_key(path, "abcdefgh")):
        with pytest.raises(ConfigError) as caught:
            use(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert what in str(caught.value)
        assert "slk_abcdefgh" not in str(caught.value)
    assert path.read_bytes() == content


@given(st.binary())
@example(b"[" * 100_000)
@example(b'{"version": 1, "x": ' + b"[" * 100_000)
@example(b'{"version": 1, "keys": [{"id": "\xff"}]}')
def test_any_bytes_are_entries_or_a_sentence(data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"^x: "):
        parsed_keys(data, Path("x"))


def test_a_file_that_can_not_be_read_is_said(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ConfigError, match=r"keys\.json: can't be read: Is a directory"):
        list_keys(path)


def test_an_entry_reads_as_it_was_written(path: Path) -> None:
    path.write_text(json.dumps({"version": 1, "keys": [ENTRY]}))
    assert list_keys(path) == [KeyEntry("abcdefgh", "shop", "0" * 64, ("*",), "2026-01-31T06:00:00Z")]
