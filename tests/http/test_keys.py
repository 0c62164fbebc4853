"""API keys in a worker of the edge: whose is what is presented, and the keys after the file has changed."""

import hmac
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from streamlake.engine.errors import ConfigError
from streamlake.http_edge.keys import WRONG_KEY, Keys, presented_key
from streamlake.http_edge.keys_file import new_key, revoke_key

WRONG_SECRET = "0" * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Keys, list[str]]:
    """Keys of which there are two, and these."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    made = [new_key(path, name, ["*"])[0] for name in ("shop", "till")]
    return Keys(path), made


# whose key it is


def test_a_key_finds_its_own_entry_and_may_post_to_its_streams_alone(path: Path) -> None:
    shop, entry = new_key(path, "shop", ["orders", "returns"])
    till, _ = new_key(path, "till", ["*"])
    keys = Keys(path)
    assert keys.count == 2
    found = keys.find(shop)
    assert found == entry
    assert [found.may(stream) for stream in ("orders", "returns", "order", "*", "")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    found = keys.find(till)
    assert found is not None
    assert (found.name, found.may("orders"), found.may("one of next year")) == ("till", True, True)


@pytest.mark.parametrize(
    "changed",
    [
        lambda key: key[:0],
        lambda key: key.upper(),
        lambda key: key + "\n",
        lambda key: " " + key,
        lambda key: key[:-1],
        lambda key: key + key[-1],
        lambda key: key[:-1] + ("0" if key[-1] != "0" else "1"),
        lambda key: key[:13] + WRONG_SECRET,
        lambda key: key[:13],
        lambda key: key[13:],
        lambda key: f"slk_zzzzzzzz{key[12:]}",
        lambda key: key.replace("slk", "SLK"),
        lambda key: key * 100_000,
        lambda key: key[:-1] + "\udc80",
        lambda key: key[:-1] + "٣",  # a digit, and none of ours
    ],
)
def test_what_is_nearly_a_key_is_none(two: tuple[Keys, list[str]], changed: Callable[[str], str]) -> None:
    keys, (key, _) = two
    assert keys.find(key) is not None
    assert keys.find(changed(key)) is None


def test_the_secret_of_one_key_does_not_open_another(two: tuple[Keys, list[str]]) -> None:
    keys, (shop, till) = two
    assert keys.find(shop[:13] + till[13:]) is None


@given(
    presented=st.text(st.characters()) | st.text("slk_0a", max_size=80) | st.from_regex(r"slk_[a-z0-9]{8}_[0-9a-f]*")
)
def test_any_text_may_be_presented_and_is_no_key(two: tuple[Keys, list[str]], presented: str) -> None:
    keys, _ = two
    assert keys.find(presented) is None


def test_every_presented_text_takes_the_same_way_of_one_comparison_in_constant_time(
    two: tuple[Keys, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, (key, _) = two
    compared: list[tuple[int, int]] = []
    real: Callable[[str, str], bool] = hmac.compare_digest

    def compare(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    presented = [key, key[:13] + WRONG_SECRET, f"slk_zzzzzzzz{key[12:]}", "no key", "", "x" * 1_000_000]
    assert [keys.find(text) is not None for text in presented] == [True, False, False, False, False, False]
    assert compared == [(64, 64)] * len(presented)


def test_ten_thousand_wrong_keys_are_cheap_however_long_they_are(two: tuple[Keys, list[str]]) -> None:
    keys, (key, _) = two
    wrong = [key[:13] + WRONG_SECRET, f"slk_zzzzzzzz{key[12:]}", "x" * 1_000_000, key + "x" * 1_000_000]
    began = time.process_time()
    for _ in range(2_500):
        for text in wrong:
            assert keys.find(text) is None
    # Processor time; it is 0.02 s. One hash over a text of a megabyte for each would be seconds.
    assert time.process_time() - began < 1


# the headers


@pytest.mark.parametrize(
    ("authorization", "x_api_key", "presented"),
    [
        (None, None, None),
        ("Bearer k", None, "k"),
        ("bearer k", None, "k"),
        ("BEARER  \t k ", None, "k"),
        (None, "k", "k"),
        (None, " k\t", "k"),
        ("Bearer k", "k", "k"),
        ("Bearer k", "other", WRONG_KEY),
        ("Bearer", "k", WRONG_KEY),
        ("Bearer k", "", WRONG_KEY),
        ("Bearer", None, WRONG_KEY),
        ("Bearer ", None, WRONG_KEY),
        (None, "", WRONG_KEY),
        ("", None, None),
        ("k", None, None),
        ("Basic dXNlcjpwYXNz", None, None),
        ("Basic dXNlcjpwYXNz", "k", "k"),
        ("Bearerk", None, None),
    ],
)
def test_a_key_is_presented_by_either_header(
    authorization: str | None, x_api_key: str | None, presented: str | None
) -> None:
    assert presented_key(authorization, x_api_key) == presented


def test_two_different_keys_are_none_though_each_is_one(two: tuple[Keys, list[str]]) -> None:
    keys, (shop, till) = two
    assert keys.find(presented_key(f"Bearer {shop}", shop) or "") is not None
    assert keys.find(presented_key(f"Bearer {shop}", till) or "") is None


@given(st.none() | st.text(st.characters()), st.none() | st.text(st.characters()))
def test_any_headers_may_come(two: tuple[Keys, list[str]], authorization: str | None, x_api_key: str | None) -> None:
    keys, _ = two
    presented = presented_key(authorization, x_api_key)
    assert presented is None or keys.find(presented) is None


# the file changes


def test_a_file_that_stays_is_not_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_key(path, "shop", ["*"])
    keys = Keys(path)

    def unexpected(*_: object) -> bytes:
        raise AssertionError("read without need")

    monkeypatch.setattr(Path, "read_bytes", unexpected)
    assert not keys.reload_if_changed()


def test_a_new_key_is_taken_and_a_revoked_one_is_not_from_the_next_look_on(path: Path) -> None:
    shop, entry = new_key(path, "shop", ["*"])
    keys = Keys(path)
    till, _ = new_key(path, "till", ["*"])
    assert keys.find(till) is None
    with capture_logs() as logs:
        assert keys.reload_if_changed()
        assert not keys.reload_if_changed()
    assert [(line["log_level"], line["keys"]) for line in logs] == [("info", 2)]
    assert keys.find(till) is not None
    revoke_key(path, entry.id)
    assert keys.find(shop) is not None
    assert keys.reload_if_changed()
    assert (keys.find(shop), keys.count) == (None, 1)


def _another_file(path: Path, content: bytes) -> None:
    beside = path.with_name("beside")
    beside.write_bytes(content)
    beside.replace(path)


@pytest.mark.parametrize(("write", "size"), [(_another_file, "same"), (Path.write_bytes, "another")])
def test_a_change_is_seen_though_the_clock_stood_still(
    path: Path, write: Callable[[Path, bytes], object], size: str
) -> None:
    new_key(path, "shop", ["*"])
    before = path.stat()
    keys = Keys(path)
    write(path, path.read_bytes().replace(b'"shop"', b'"till"' if size == "same" else b'"the till"'))
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert keys.reload_if_changed()


def test_a_change_in_place_of_the_same_size_is_seen(path: Path) -> None:
    key, _ = new_key(path, "shop", ["*"])
    before = path.stat()
    keys = Keys(path)
    path.write_bytes(path.read_bytes().replace(b'"shop"', b'"till"'))
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns + 1))
    assert keys.reload_if_changed()
    found = keys.find(key)
    assert found is not None
    assert found.name == "till"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 2}', b'{"version": 1, "keys": [{}]}', b"\xff"])
def test_a_damaged_file_keeps_the_last_good_keys_and_is_said_once_a_change(path: Path, content: bytes) -> None:
    key, _ = new_key(path, "shop", ["*"])
    keys, good = Keys(path), path.read_bytes()
    with capture_logs() as logs:
        _another_file(path, content)
        assert [keys.reload_if_changed() for _ in range(3)] == [False] * 3
        assert keys.find(key) is not None
        assert [line["log_level"] for line in logs] == ["error"]
        assert str(path) in logs[0]["why"]
        _another_file(path, content + b" ")
        assert [keys.reload_if_changed() for _ in range(3)] == [False] * 3
        assert [line["log_level"] for line in logs] == ["error"] * 2
        _another_file(path, good)
        assert keys.reload_if_changed()
    assert keys.find(key) is not None
    assert key[13:] not in str(logs)


def test_a_file_that_is_gone_keeps_the_last_good_keys_is_said_once_and_taken_when_it_is_back(path: Path) -> None:
    key, _ = new_key(path, "shop", ["*"])
    keys, away = Keys(path), path.with_name("away")
    with capture_logs() as logs:
        for _ in range(2):
            path.rename(away)
            assert [keys.reload_if_changed() for _ in range(3)] == [False] * 3
            assert keys.find(key) is not None
            away.rename(path)
            assert [keys.reload_if_changed() for _ in range(3)] == [True, False, False]
    assert [line["log_level"] for line in logs] == ["error", "info"] * 2
    assert f"{path}: can't be read: No such file or directory" in logs[0]["why"]


def test_what_hinders_reading_may_pass_without_a_change_of_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, entry = new_key(path, "shop", ["*"])
    keys = Keys(path)
    revoke_key(path, entry.id)

    def too_many(_: Path) -> bytes:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", too_many)
        assert not keys.reload_if_changed()
    assert keys.find(key) is not None
    assert keys.reload_if_changed()
    assert keys.find(key) is None, "a revoked key stays in force until the next change"


# the start


def test_without_a_file_no_edge_starts(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Keys(path)
    assert str(caught.value) == (
        f"{path}: there is no such file; `streamlake keys new PIPELINE.yaml --name NAME` makes it, with a first key"
    )


@pytest.mark.parametrize(("content", "said"), [(b"{", "is no keys file: Input data was truncated"), (None, "can't be")])
def test_with_a_file_that_can_not_be_used_no_edge_starts(path: Path, content: bytes | None, said: str) -> None:
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"keys.json: {said}"):
        Keys(path)


def test_a_file_without_keys_is_a_file_and_nobody_may_post(path: Path) -> None:
    key, entry = new_key(path, "shop", ["*"])
    revoke_key(path, entry.id)
    keys = Keys(path)
    assert (keys.count, keys.find(key)) == (0, None)
    assert bool(keys), "no keys in force is not the same as none asked for"
