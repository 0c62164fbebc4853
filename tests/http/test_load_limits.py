"""Who may post how much: wrong keys by the thousand, keys that end, quotas over all workers, and what the log keeps."""

import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.broker import everything_in
from support.edge import RunningEdge, edge_yaml
from support.shared import SharedKafka
from support.topic_counts import records_in
from support.waiting import wait_until
from support.wire import Wire, in_chunks, request

from streamlake.http_edge.keys_file import new_key, revoke_key

WRONG = 10_000
AT_ONCE = 50
MARKER = "marker-in-a-body-7f3a"
ORDER = b'{"id":"%b"}' % MARKER.encode()
RATE = 10


class Keyed(RunningEdge):
    """An edge that asks for keys: of everything, of orders alone, and of returns alone."""

    def __init__(self, folder: Path, servers: str, **changes: object) -> None:
        self.keys_file = folder / "keys.json"
        made = {
            name: new_key(self.keys_file, name, streams)
            for name, streams in (("all", ["*"]), ("orders", ["orders"]), ("returns", ["returns"]))
        }
        self.keys: Mapping[str, str] = {name: key for name, (key, _) in made.items()}
        streams: dict[str, object] = {"orders": {}, "returns": {}}
        given = {"http__streams": streams, "http__keys_file": "keys.json", **changes}
        super().__init__(edge_yaml(folder, servers, **given))

    def says_nothing_secret(self) -> None:
        """No key, no secret of one, and nothing of a body is in what it has said."""
        said = "".join(self.text)
        for kept in (MARKER, *(key.rpartition("_")[2] for key in self.keys.values())):
            assert kept not in said


@pytest.fixture(scope="module")
def edge(kafka: SharedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    with Keyed(tmp_path_factory.mktemp("edge"), kafka.bootstrap_servers) as running:
        yield running


def posted(edge: Keyed, key: str, path: str = "/ingest/orders") -> int:
    """The status of one record posted with a key."""
    return edge.post(ORDER, path=path, x_api_key=key).status


def wrong_key(right: str, number: int) -> dict[str, str]:
    """A key that is wrong in one of many ways, in either header."""
    start, _, secret = right.rpartition("_")
    changed = format(int(secret, 16) ^ (1 << number % 256), "064x")
    wrong = [
        f"{start}_{changed}",
        f"slk_{secrets.token_hex(4)}_{secret}",
        right[: number % len(right)],
        right + "0" * (1 + number % 9),
        secrets.token_urlsafe(48),
        "*",
    ][number % 6]
    return {"X-API-Key": wrong} if number % 2 else {"Authorization": f"Bearer {wrong}"}


def test_ten_thousand_wrong_keys_open_nothing_and_a_right_one_is_served_between_them(edge: Keyed) -> None:
    right, statuses = edge.keys["all"], set[int]()
    before = records_in(edge.config, edge.topic)
    with Wire(edge.address) as stranger, Wire(edge.address) as friend:
        for first in range(0, WRONG, AT_ONCE):
            stranger.say(b"".join(request(ORDER, wrong_key(right, first + one)) for one in range(AT_ONCE)))
            if first % 500 == 0:
                assert friend.say(request(ORDER, {"X-API-Key": right})).answer().status == 202
            statuses |= {stranger.answer().status for _ in range(AT_ONCE)}
    assert statuses == {401}
    assert records_in(edge.config, edge.topic) == before + WRONG // 500
    edge.says_nothing_secret()


@pytest.mark.parametrize("number", range(12))
def test_each_way_to_be_wrong_is_401_as_a_problem(edge: Keyed, number: int) -> None:
    with Wire(edge.address) as wire:
        answered = wire.say(request(ORDER, wrong_key(edge.keys["all"], number))).answer()
    assert (answered.status, answered.json["type"]) == (401, "/docs#no-key")
    assert answered.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"Authorization": "Basic KEY"},
        {"Authorization": "Bearer KEY", "X-API-Key": "another"},
        {"X-API-Key": "KEY", "x-api-key": "another"},
        {"x-api-key": "another", "X-API-Key": "KEY"},
        {"Authorization": "Bearer another", "authorization": "Bearer KEY"},
    ],
    ids=str,
)
def test_no_key_two_keys_or_another_scheme_is_401(edge: Keyed, headers: dict[str, str]) -> None:
    named = {name: value.replace("KEY", edge.keys["all"]) for name, value in headers.items()}
    with Wire(edge.address) as wire:
        assert wire.say(request(ORDER, named)).answer().status == 401


def test_a_key_in_a_trailer_opens_nothing(edge: Keyed) -> None:
    trailer = f"X-API-Key: {edge.keys['all']}\r\n".encode()
    with Wire(edge.address) as wire:
        wire.say(request(None, {"Transfer-Encoding": "chunked"}) + in_chunks(ORDER, trailer=trailer))
        assert wire.answer().status == 401


def test_a_body_is_not_asked_for_without_a_key(edge: Keyed) -> None:
    with Wire(edge.address) as wire:
        wire.say(request(None, {"Expect": "100-continue", "Content-Length": "20"}))
        assert wire.answer().status == 401


def test_a_key_is_for_its_own_streams(edge: Keyed) -> None:
    statuses = {
        (name, path): posted(edge, key, f"/ingest/{path}")
        for name, key in edge.keys.items()
        for path in ("orders", "returns", "nope")
    }
    assert statuses == {
        ("all", "orders"): 202,
        ("all", "returns"): 202,
        ("all", "nope"): 404,
        ("orders", "orders"): 202,
        ("orders", "returns"): 403,
        ("orders", "nope"): 404,
        ("returns", "orders"): 403,
        ("returns", "returns"): 202,
        ("returns", "nope"): 404,
    }
    unknown = edge.post(ORDER, path="/ingest/nope", x_api_key=edge.keys["orders"]).json
    assert unknown["streams"] == ["orders"], "streams are shown to whom they are for"


def test_a_revoked_key_ends_and_a_new_one_begins_without_a_restart(edge: Keyed) -> None:
    key, entry = new_key(edge.keys_file, "for a while", ["orders"])
    wait_until(lambda: posted(edge, key) == 202, "the new key", 10)
    with Wire(edge.address) as wire:
        assert wire.say(request(ORDER, {"X-API-Key": key})).answer().status == 202
        revoke_key(edge.keys_file, entry.id)
        wait_until(lambda: posted(edge, key) == 401, "the key's end", 10)
        assert wire.say(request(ORDER, {"X-API-Key": key})).answer().status == 401
    assert posted(edge, edge.keys["all"]) == 202


def test_nothing_of_a_key_or_a_body_is_in_the_log(edge: Keyed) -> None:
    right = edge.keys["all"]
    bodies = {
        202: request(ORDER, {"X-API-Key": right}),
        422: request(f"{MARKER} is no JSON".encode(), {"X-API-Key": right}),
        401: request(ORDER, {"X-API-Key": f"{right}0"}),
        403: request(ORDER, {"X-API-Key": edge.keys["returns"]}),
        404: request(ORDER, {"X-API-Key": right}, f"POST /ingest/nope?key={right} HTTP/1.1"),
        413: request(f"{MARKER}\n".encode() * 60_000, {"X-API-Key": right}),
        415: request(ORDER, {"X-API-Key": right, "Content-Encoding": MARKER}),
        406: request(ORDER, {"X-API-Key": right, "Accept": f"text/{MARKER}"}),
        400: request(ORDER, {"X-API-Key": right, "Idempotency-Key": f"{MARKER} {right}", "traceparent": right}),
        431: request(ORDER, {"X-API-Key": right, "X-Long": MARKER * 2000}),
    }
    for status, data in bodies.items():
        with Wire(edge.address) as wire:
            assert wire.say(data).answer().status == status
    with Wire(edge.address) as wire:
        assert wire.say(f"X-API-Key: {right} {MARKER}\r\n\r\n".encode()).answer().status == 400
    edge.wait_for("not all records stored")
    edge.wait_for("request not taken", lambda line: line["status"] == 400)
    edge.says_nothing_secret()
    assert all(line.startswith("{") for line in edge.text), "lines that are no JSON"


# quotas


@pytest.mark.parametrize("workers", [1, 2])
def test_a_quota_holds_over_all_workers(kafka: SharedKafka, tmp_path: Path, workers: int) -> None:
    streams = {"orders": {"rate": f"{RATE}/s", "records_max": RATE}, "returns": {}}
    with Keyed(tmp_path, kafka.bootstrap_servers, http__workers=workers, http__streams=streams) as edge:
        edge.wait_for("kafka can be written to", count=2 * workers)  # two topics; ready is who was asked
        began = time.monotonic()
        burst = Burst(edge, edge.keys["orders"], ends=began + 3)
        seconds = time.monotonic() - began
        assert burst.statuses == {202, 429}
        assert set(burst.retry_after) == {"1"}
        # Nobody locks: one who is held up in between gives back what another has taken meanwhile.
        more = 1 if workers == 1 else RATE
        assert RATE * (seconds / 2) <= burst.stored <= RATE + RATE * seconds + more
        assert len(everything_in(edge.config, edge.topic)) == burst.stored
        assert posted(edge, edge.keys["all"]) == 202, "another key has a quota of its own"
        assert posted(edge, edge.keys["all"], "/ingest/returns") == 202
        key = edge.keys["orders"]
        wait_until(lambda: posted(edge, key) == 202, "more after Retry-After", 10)
        wait_until(lambda: edge.post(b"[" + b"1," * 9 + b"1]", x_api_key=key).status == 422, "a whole burst", 10)
        assert edge.post(b"[" + b"1," * 10 + b"1]", x_api_key=key).status == 413


class Burst:
    """As many records as can be posted with one key, over 16 connections; all is over when it is made."""

    def __init__(self, edge: Keyed, key: str, ends: float) -> None:
        self._edge, self._asked, self._ends = edge, request(ORDER, {"X-API-Key": key}), ends
        self.statuses, self.retry_after, self.stored = set[int](), set[str](), 0
        self._lock = threading.Lock()
        posters = [threading.Thread(target=self._post) for _ in range(16)]
        for poster in posters:
            poster.start()
        for poster in posters:
            poster.join()

    def _post(self) -> None:
        with Wire(self._edge.address) as wire:
            while time.monotonic() < self._ends:
                answered = wire.say(self._asked).answer()
                with self._lock:
                    self.statuses.add(answered.status)
                    self.stored += answered.status == 202
                    if answered.status == 429:
                        self.retry_after.add(answered.headers["retry-after"])
