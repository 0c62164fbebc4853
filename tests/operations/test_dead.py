"""Dead letters are found by what was refused, where, why and when; nothing else is, and no file is read in vain."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.lake import Lake
from support.memory_topics import MemoryTopics
from support.tamper import Fields, forge_ledger

from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import UsageError
from streamlake.engine.letters import NoCopies
from streamlake.engine.operations.dead import fate_of, find_letter, list_letters
from streamlake.engine.operations.dead_topic import letter_from_message, list_topic_letters
from streamlake.engine.operations.dead_types import FoundLetter, LetterFilter
from streamlake.engine.operations.generation_change import finish
from streamlake.engine.records import Batch, DeadLetter, OffsetRange, TopicPartition

ORDERS_0, ORDERS_1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
PAYMENTS = TopicPartition("payments", 0)
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(params=["parquet", "jsonl"])
def lake(tmp_path: Path, request: pytest.FixtureRequest) -> Lake:
    """orders/0: 3 and 17 refused; orders/1: 100; payments/0: 5 refused as malformed; 4 skipped, 6 a hole."""
    lake = Lake.make(tmp_path, starts={ORDERS_1: 100}, format=request.param)
    landing = lake.claim(ORDERS_0)
    landing.land(10, refused=[3])
    landing.land(10, refused=[7])
    landing.land(10)
    lake.claim(ORDERS_1).land(5, refused=[0])
    lake.claim(PAYMENTS).land(10, refused=[5], skipped=[4], holes=[6], reason="malformed", field=None)
    return lake


def places(found: Sequence[FoundLetter]) -> list[str]:
    return [f"{one.letter.source}/{one.letter.offset}" for one in found]


def listed(lake: Lake, **wanted: Any) -> list[str]:
    return places(list(list_letters(lake.ledger(), LetterFilter(**wanted))))


ALL = ["orders/0/3", "orders/0/17", "orders/1/100", "payments/0/5"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ALL),
        ({"topic": "payments"}, ALL[3:]),
        ({"partition": 0}, [*ALL[:2], ALL[3]]),
        ({"reason": "malformed"}, ALL[3:]),
        ({"field": "/amount"}, ALL[:3]),
        ({"field": "/a*"}, ALL[:3]),
        ({"field": "/am"}, []),
        ({"offsets": OffsetRange(3, 18), "topic": "orders"}, ALL[:2]),
        ({"offsets": OffsetRange(4, 17)}, ALL[3:]),
        ({"since": NOW - HOUR, "until": NOW + HOUR}, ALL),
        ({"since": NOW + HOUR}, []),
        ({"until": NOW - HOUR}, []),
        ({"reason": "malformed", "topic": "orders"}, []),
        ({"validator": "json", "fingerprint": "1"}, ALL),
        ({"validator": "pydantic"}, []),
    ],
)
def test_letters_are_found_by_all_that_is_asked_of_them(lake: Lake, wanted: dict[str, Any], found: list[str]) -> None:
    assert listed(lake, **wanted) == found


def test_a_field_is_found_with_what_lies_below_it() -> None:
    below = LetterFilter(field="/items/0")
    assert [below.wants(letter(field)) for field in ("/items/0", "/items/0/qty", "/items/01", None)] == [
        True,
        True,
        False,
        False,
    ]
    assert LetterFilter(field="/items/*/qty").wants(letter("/items/7/qty"))


def letter(field: str | None) -> DeadLetter:
    return DeadLetter(ORDERS_0, 1, 0, 1, None, b"", (), "invalid", field, "", 1, 0)


def test_time_is_that_of_the_commit_and_older_files_are_not_opened(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(entries: list[Fields]) -> None:
        entries[0]["committed_at"] = entries[1]["committed_at"] = (NOW - 2 * HOUR).isoformat()

    forge_ledger(lake, ORDERS_0, change)
    ledger = lake.ledger()
    opened: list[FileEntry] = []
    read = ledger.dead_letters

    def noted(file: FileEntry) -> Iterator[DeadLetter]:
        opened.append(file)
        return read(file)

    monkeypatch.setattr(ledger, "dead_letters", noted)
    found = list_letters(ledger, LetterFilter(since=NOW - HOUR, topic="orders", partition=0))
    assert places(list(found)) == ["orders/0/17"]
    assert len(opened) == 1


def test_what_another_version_of_the_validator_refused_is_left_out_without_opening_its_files(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.claim(ORDERS_0, fingerprint="1f2e").land(10, refused=[5])
    ledger = lake.ledger()
    for version, found in (
        ("1f2e", ["orders/0/35"]),
        ("1f", ["orders/0/35"]),
        ("1", [*ALL[:2], "orders/0/35", *ALL[2:]]),
    ):
        assert places(list(list_letters(ledger, LetterFilter(fingerprint=version)))) == found, version
    monkeypatch.setattr(ledger, "dead_letters", None)
    assert list(list_letters(ledger, LetterFilter(fingerprint="2"))) == []


def test_a_letter_is_found_by_its_place_with_everything_that_is_known(lake: Lake) -> None:
    (found,) = find_letter(lake.ledger(), ORDERS_0, 17)
    assert (found.letter.value, found.letter.key) == (b'{"place": "orders/0", "offset": 17}', b"key-17")
    assert (found.letter.reason, found.letter.field, found.letter.message) == (
        "invalid",
        "/amount",
        "must not be negative",
    )
    assert (found.run, found.validator, found.fingerprint) == ("live-1", "json", "1")
    assert found.found_in.startswith("dead/orders/")
    assert abs(found.refused_at - NOW) < HOUR


@pytest.mark.parametrize(
    ("source", "offset", "sentence"),
    [
        (PAYMENTS, 4, "was skipped by policy"),
        (PAYMENTS, 6, "was never delivered"),
        (PAYMENTS, 7, "landed"),
        (ORDERS_0, 30, "is not read yet"),
        (ORDERS_1, 99, "before the run's start at 100"),
        (TopicPartition("orders", 9), 1, "no run has read this partition"),
    ],
)
def test_where_there_is_no_letter_the_ledger_says_what_became_of_the_record(
    lake: Lake, source: TopicPartition, offset: int, sentence: str
) -> None:
    assert find_letter(lake.ledger(), source, offset) == []
    assert sentence in fate_of(lake.ledger(), source, offset)


# -- runs ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def replayed(tmp_path: Path) -> Lake:
    """A live run that refused 3 and 17; a replay of the first ten, which refused 4; and one more, taken over: 18."""
    lake = Lake.make(tmp_path, starts={ORDERS_0: 0})
    landing = lake.claim(ORDERS_0)
    landing.land(10, refused=[3])
    landing.land(10, refused=[7])
    for run, first, refused in (("tried", 0, 4), ("taken", 10, 8)):
        ends = {ORDERS_0: first + 10}
        replay = Lake.make(tmp_path, run=run, starts={ORDERS_0: first}, ends=ends, output=f"replays/{run}")
        replay.claim(ORDERS_0).land(10, refused=[refused])
    Lake.make(tmp_path, run="live-2", adopts="taken")
    finish(lake.sink, lambda _run: NoCopies())
    return lake


def test_letters_are_those_that_stand_for_what_readers_see(replayed: Lake) -> None:
    assert listed(replayed) == ["orders/0/3", "orders/0/18"]
    assert listed(replayed, offsets=OffsetRange(10, 20)) == ["orders/0/18"]
    (found,) = find_letter(replayed.ledger(), ORDERS_0, 18)
    assert (found.run, (replayed.root / found.found_in).is_file()) == ("taken", True)


def test_a_runs_own_letters_are_found_by_its_name_also_what_was_superseded(replayed: Lake) -> None:
    assert listed(replayed, run="live-1") == ["orders/0/3", "orders/0/17"]
    assert listed(replayed, run="tried") == ["orders/0/4"]
    assert listed(replayed, run="live-2") == []
    (found,) = find_letter(replayed.ledger(), ORDERS_0, 17, "live-1")
    assert found.found_in.startswith("superseded/live-1/dead/orders/")
    with pytest.raises(UsageError, match="--run live-3: there is no such run; there are: live-1, tried, taken, live-2"):
        listed(replayed, run="live-3")


def test_where_there_is_no_letter_the_wanted_run_says_why(replayed: Lake) -> None:
    assert find_letter(replayed.ledger(), ORDERS_0, 4) == []
    assert "offset 4 landed (run live-1" in fate_of(replayed.ledger(), ORDERS_0, 4)
    assert "offset 3 landed (run tried" in fate_of(replayed.ledger(), ORDERS_0, 3, "tried")


# -- the dead-letter topic -----------------------------------------------------------------------------------------

HEADERS = [
    ("trace", b"\x00\xff"),
    ("__connect.errors.topic", b"orders"),
    ("__connect.errors.partition", b"3"),
    ("__connect.errors.offset", b"41"),
    ("__connect.errors.stage", b"VALIDATE"),
    ("__connect.errors.exception.message", b"must not be negative"),
    ("streamlake.pipeline", b"orders"),
    ("streamlake.run", b"live-1"),
    ("streamlake.reason", b"malformed"),
    ("streamlake.field", b"/amount"),
    ("streamlake.attempt", b"2"),
    ("streamlake.first_failed_at", b"1700000000000"),
    ("streamlake.validator", b"jsonschema"),
    ("streamlake.source", b"somebody else's header of ours"),
]
DLQ = TopicPartition("orders.dlq", 0)


def message(headers: Sequence[tuple[str, bytes | None]] | None, offset: int = 7) -> Batch:
    at = int(NOW.timestamp() * 1000)
    return Batch(DLQ, OffsetRange(offset, offset + 1), None, [offset], [at], [1], [b"k"], [b"v"], [headers])


def test_the_headers_of_a_copy_tell_where_it_came_from_and_why() -> None:
    found = letter_from_message(message(HEADERS), 0)
    letter = found.letter
    assert (letter.source, letter.offset) == (TopicPartition("orders", 3), 41)
    assert (letter.reason, letter.field, letter.message) == ("malformed", "/amount", "must not be negative")
    assert (letter.attempt, letter.first_failed_at_ms) == (2, 1_700_000_000_000)
    assert (letter.key, letter.value) == (b"k", b"v")
    assert letter.headers == [HEADERS[0], HEADERS[-1]]
    assert (found.run, found.validator, found.found_in) == ("live-1", "jsonschema", "orders.dlq/0/7")


def test_headers_that_somebody_else_wrote_are_taken_as_far_as_they_go() -> None:
    odd = [("__connect.errors.partition", b"x"), ("streamlake.reason", b"mood"), ("streamlake.attempt", None)]
    odd += [("__connect.errors.offset", b"9" * 30), ("streamlake.first_failed_at", b"-" + b"9" * 30)]
    letter = letter_from_message(message(odd), 0).letter
    assert (letter.source, letter.offset, letter.attempt) == (DLQ, 7, 1)
    assert (letter.reason, letter.first_failed_at_ms) == ("invalid", int(NOW.timestamp() * 1000))
    assert letter_from_message(message(None), 0).letter.message == ""


def test_the_topic_is_filtered_like_the_files() -> None:
    topic = MemoryTopics({DLQ: [message(HEADERS, 7), message(None, 8)]})
    assert places(list(list_topic_letters(topic, "orders.dlq", LetterFilter()))) == ["orders/3/41", "orders.dlq/0/8"]
    for wanted in (
        LetterFilter(topic="orders"),
        LetterFilter(reason="malformed"),
        LetterFilter(field="/amount"),
        LetterFilter(validator="jsonschema"),
        LetterFilter(run="live-1"),
    ):
        assert places(list(list_topic_letters(topic, "orders.dlq", wanted))) == ["orders/3/41"]
    assert list(list_topic_letters(topic, "orders.dlq", LetterFilter(since=NOW + HOUR))) == []
