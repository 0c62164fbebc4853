"""Which dead letters a redrive sends, as what, and what it knows of them afterwards."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.lake import Lake, Landing
from support.memory_topics import MemoryTopics
from support.redrives import ALL, ORDERS_0, ORDERS_1, TARGETS, MemorySender, send, seven_letters

from streamlake.config.load import load_pipeline
from streamlake.config.model import PipelineConfig
from streamlake.engine.errors import ConfigError, ForeignRootError, UsageError
from streamlake.engine.operations.dead_types import LetterFilter
from streamlake.engine.operations.redrive import plan_redrive, redrive
from streamlake.engine.operations.redrive_letters import load_transform
from streamlake.engine.operations.redrive_types import RedriveRequest, Target, Transform
from streamlake.engine.records import Batch, Header, OffsetRange, Refusal, Verdict


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return seven_letters(tmp_path / "lake")


@pytest.fixture
def config(pipeline: str) -> PipelineConfig:
    return load_pipeline(Path(pipeline))


@pytest.fixture
def sender() -> MemorySender:
    return MemorySender(TARGETS)


def test_everything_goes_back_as_it_was_with_where_it_came_from(
    lake: Lake, config: PipelineConfig, sender: MemorySender
) -> None:
    done = send(lake, config, sender, name="monday")
    assert (done.state, done.sent, done.letters, done.in_doubt) == ("finished", 7, 7, 0)
    assert sender.offsets() == ALL
    one = sender.sent[1]
    assert (one.place.target, one.partition, one.key) == ("orders", 0, b"key-3")
    assert (one.value, one.timestamp_ms) == (b'{"place": "orders/0", "offset": 3}', 1_700_000_000_000 + 3 * 3_600)
    assert one.headers == [
        ("streamlake.attempt", b"1"),
        ("streamlake.first_failed_at", b"1700000000000"),
        ("streamlake.origin.topic", b"orders"),
        ("streamlake.origin.partition", b"0"),
        ("streamlake.origin.offset", b"3"),
        ("streamlake.origin.run", b"live-1"),
        ("streamlake.origin.timestamp_ms", b"1700000010800"),
        ("streamlake.redrive.id", b"monday"),
    ]
    assert sender.sent[-1].partition == 1


def test_to_another_topic_the_key_chooses_the_partition(
    lake: Lake, config: PipelineConfig, sender: MemorySender
) -> None:
    assert send(lake, config, sender, to="repaired").sent == 7
    assert {(one.place.target, one.partition) for one in sender.sent} == {("repaired", None)}


def test_a_finished_redrive_does_nothing_when_it_is_called_again(
    lake: Lake, config: PipelineConfig, sender: MemorySender
) -> None:
    send(lake, config, sender, name="monday")
    lake.claim(ORDERS_0).land(4, refused=[0])
    again = send(lake, config, sender, name="monday")
    assert (again.state, again.sent, again.sent_before) == ("finished_before", 0, 7)
    assert sender.offsets() == ALL
    plan = plan_redrive(config, lake.sink, sender, RedriveRequest(), name="monday")
    assert (plan.finished, plan.sending) == (True, {})


def test_without_a_name_each_call_sends_what_has_come_since(
    lake: Lake, config: PipelineConfig, sender: MemorySender
) -> None:
    first = send(lake, config, sender)
    assert send(lake, config, sender).state == "nothing"
    lake.claim(ORDERS_0).land(4, refused=[0])
    third = send(lake, config, sender)
    assert (third.sent, third.left_out) == (1, {"sent_before": 7})
    assert sender.offsets() == [*ALL, 12]
    assert (first.name[:-1], third.name[:-1]) == (third.name[:-1],) * 2
    assert (first.name[-2:], third.name[-2:]) == ("-1", "-2")


def test_what_an_earlier_redrive_has_sent_there_is_left_out_unless_it_is_asked_for(
    lake: Lake, config: PipelineConfig, sender: MemorySender
) -> None:
    send(lake, config, sender, name="one", wanted=LetterFilter(offsets=OffsetRange(0, 6)))
    assert send(lake, config, sender, name="two").left_out == {"sent_before": 4}
    assert sender.offsets() == [1, 3, 5, 0, 7, 9, 11]
    assert send(lake, config, sender, name="three", again=True).sent == 7
    assert send(lake, config, sender, name="elsewhere", to="repaired").sent == 7, "another topic has nothing yet"
    assert send(lake, config, sender, name="here", to="orders").left_out == {"sent_before": 7}


def test_a_replays_letters_are_sent_when_the_run_is_named_but_no_record_twice(
    lake: Lake, config: PipelineConfig, sender: MemorySender
) -> None:
    ids, ends = {"orders": "id-of-orders"}, {ORDERS_0: 12}
    Lake.make(lake.root, run="fixed", topic_ids=ids, starts={ORDERS_0: 0}, ends=ends, output="replays/fixed").claim(
        ORDERS_0
    ).land(12, refused=[3, 4])
    assert send(lake, config, sender).sent == 7, "what readers see"
    done = send(lake, config, sender, wanted=LetterFilter(run="fixed"))
    assert (done.letters, done.left_out, sender.offsets()) == (2, {"sent_before": 1}, [*ALL, 4])
    assert dict(sender.sent[-1].headers)["streamlake.origin.run"] == b"fixed"
    with pytest.raises(UsageError, match="--run fixd: there is no such run; there are: live-1, fixed"):
        send(lake, config, sender, wanted=LetterFilter(run="fixd"))


def test_letters_that_come_while_it_runs_are_not_looked_at(
    lake: Lake, config: PipelineConfig, sender: MemorySender
) -> None:
    landing = lake.claim(replace(ORDERS_1, partition=2))
    landing.land(1)

    def fail_again() -> None:
        landing.land(1, refused=[0])

    sender.before = fail_again
    done = send(lake, config, sender)
    assert (done.sent, sender.offsets()) == (7, ALL)


# -- attempts -------------------------------------------------------------------------------------------------------


def land_back(landing: Landing, records: Sequence[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse what was sent, as the engine does when it comes again."""

    def with_headers(batch: Batch) -> Batch:
        return replace(batch, headers=[one.headers for one in records])

    from support import lake as making  # noqa: PLC0415  (to be changed for this call)

    numbered = making.numbered_batch
    monkeypatch.setattr(making, "numbered_batch", lambda *args: with_headers(numbered(*args)))
    landing.land(len(records), refused=range(len(records)))
    monkeypatch.undo()


def test_what_fails_again_and_again_comes_with_a_higher_attempt_and_then_no_more(
    lake: Lake, config: PipelineConfig, sender: MemorySender, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []
    for _ in range(5):
        before = len(sender.sent)
        done = send(lake, config, sender, wanted=LetterFilter(partition=0))
        records = sender.sent[before:]
        attempts.append(sorted({dict(one.headers)["streamlake.attempt"] or b"" for one in records}))
        if records:
            land_back(lake.claim(ORDERS_0), records, monkeypatch)
        headers = [name for one in records for name, _ in one.headers]
        assert headers.count("streamlake.origin.offset") == len(records), "they never pile up"
        assert all(dict(one.headers)["streamlake.first_failed_at"] == b"1700000000000" for one in records)
    assert attempts == [[b"1"], [b"2"], [], [], []]
    assert (done.state, done.left_out) == ("nothing", {"sent_before": 12, "attempts": 6})


def test_max_attempts_is_a_limit_of_the_user(lake: Lake, config: PipelineConfig, sender: MemorySender) -> None:
    assert send(lake, config, sender, max_attempts=1).left_out == {"attempts": 7}
    with pytest.raises(UsageError, match="--max-attempts 0"):
        send(lake, config, sender, max_attempts=0)
    assert sender.sent == []


# -- only what is valid now, and what is changed ----------------------------------------------------------------------


def test_only_what_would_not_be_refused_now_is_sent(lake: Lake, config: PipelineConfig, sender: MemorySender) -> None:
    seen: list[Batch] = []

    def decide(batch: Batch) -> Verdict:
        seen.append(batch)
        return Verdict([Refusal(i, "invalid", "still odd") for i, at in enumerate(batch.offsets) if at % 3 == 0])

    done = send(lake, config, sender, decide=decide)
    assert sender.offsets() == [1, 5, 7, 11]
    assert (done.left_out, done.reasons) == ({"not_valid": 3}, {"still odd": 3})
    assert [(batch.source, list(batch.offsets)) for batch in seen] == [(ORDERS_0, ALL[:-1]), (ORDERS_1, [0])]
    assert seen[0].values[0] == b'{"place": "orders/0", "offset": 1}'
    assert ("streamlake.attempt", b"1") in (seen[0].headers[0] or ())


def test_a_transform_changes_drops_and_may_fail(lake: Lake, config: PipelineConfig, sender: MemorySender) -> None:
    def change(key: bytes | None, value: bytes | None, headers: list[Header]) -> Any:
        assert (key, headers) == (value and key, [])
        if key == b"key-1":
            return None
        if key == b"key-3":
            raise KeyError("quantity")
        if key == b"key-5":
            return "no record"
        return b"new", None, [("mended", b"yes"), ("streamlake.attempt", b"0")]

    done = send(lake, config, sender, transform=Transform("fixes:change", change))
    assert sender.offsets() == [7, 9, 11, 0]
    one = sender.sent[0]
    assert (one.key, one.value, list(one.headers)[:2]) == (
        b"new",
        None,
        [("mended", b"yes"), ("streamlake.attempt", b"1")],
    )
    assert done.left_out == {"transform_none": 1, "transform_failed": 2}
    assert list(done.reasons) == [
        "fixes:change: KeyError: 'quantity'",
        "fixes:change: TypeError: returned 'no record', which is not (key, value, headers) in bytes, nor None",
    ]


def test_what_a_transform_says_is_told_up_to_a_number_of_sentences(
    tmp_path: Path, config: PipelineConfig, sender: MemorySender
) -> None:
    lake = Lake.make(tmp_path / "others", topic_ids={"orders": "id-of-orders"})
    lake.claim(ORDERS_0).land(50, refused=range(50))

    def change(key: bytes | None, *_: object) -> None:
        raise ValueError(key)

    done = send(lake, config, sender, transform=Transform("fixes:change", change))
    assert (len(done.reasons), done.left_out) == (20, {"transform_failed": 50})


def test_headers_that_could_not_be_read_can_not_be_sent_as_they_were(
    lake: Lake, config: PipelineConfig, sender: MemorySender, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unreadable:
        headers = (("streamlake.unreadable_headers", None),)

    land_back(lake.claim(ORDERS_1), [Unreadable], monkeypatch)
    assert send(lake, config, sender).left_out == {"headers_lost": 1}


# -- from the dead-letter topic ---------------------------------------------------------------------------------------


def copies(*headers: Sequence[Header]) -> MemoryTopics:
    """The dead-letter topic, with a message for each of `headers`."""
    count, dlq = len(headers), replace(ORDERS_0, topic="orders.dlq")
    numbers, times = range(40, 40 + count), [1_700_000_000_000] * count
    values = [b"%d" % number for number in numbers]
    keys = [b"k"] * count
    batch = Batch(dlq, OffsetRange(40, 40 + count), None, numbers, times, [1] * count, keys, values, headers)
    return MemoryTopics({dlq: [batch]})


FROM_EDGE: Sequence[Header] = (
    ("trace", b"1"),
    ("__connect.errors.topic", b"orders"),
    ("__connect.errors.partition", b"-1"),
    ("__connect.errors.offset", b"-1"),
    ("streamlake.run", b"http-1"),
    ("streamlake.reason", b"invalid"),
    ("streamlake.attempt", b"1"),
    ("streamlake.first_failed_at", b"1600000000000"),
)
FROM_A_FILE: Sequence[Header] = (("__connect.errors.topic", b"orders"), ("__connect.errors.offset", b"3"))


def test_what_the_edge_refused_is_sent_from_the_topic_and_what_stands_in_files_is_not(
    lake: Lake, config: PipelineConfig, sender: MemorySender
) -> None:
    topic = copies(FROM_EDGE, FROM_A_FILE, (*FROM_EDGE, ("streamlake.truncated", b"{}")), FROM_EDGE)
    done = send(lake, config, sender, from_topic=topic)
    assert (done.letters, done.sent, done.left_out) == (3, 2, {"truncated": 1})
    one = sender.sent[0]
    assert (one.place.target, one.partition, one.key, one.value) == ("orders", None, b"k", b"40")
    headers = dict(one.headers)
    assert [headers.get(f"streamlake.{name}") for name in ("attempt", "first_failed_at", "origin.offset")] == [
        b"1",
        b"1600000000000",
        b"40",
    ]
    assert (headers["trace"], headers["streamlake.origin.topic"]) == (b"1", b"orders.dlq")
    assert send(lake, config, sender, from_topic=topic).left_out == {"sent_before": 2, "truncated": 1}
    grown = copies(*[FROM_EDGE] * 6)
    assert send(lake, config, sender, from_topic=grown, name="later", wanted=LetterFilter(reason="invalid")).sent == 4


def test_without_a_dead_letter_topic_there_is_nothing_to_read(lake: Lake, pipeline: str, sender: MemorySender) -> None:
    without = load_pipeline(Path(pipeline), ["validator.type=none", "dead_letters={}"])
    with pytest.raises(UsageError, match="orders has no dead-letter topic"):
        send(lake, without, sender, from_topic=copies(FROM_EDGE))


# -- where it does not go ---------------------------------------------------------------------------------------------


def test_a_dead_letter_topic_and_one_that_is_not_there_are_refused(
    lake: Lake, config: PipelineConfig, sender: MemorySender
) -> None:
    for to, said in (("orders.dlq", "is a dead-letter topic of orders"), ("typo", "the topic typo does not exist")):
        with pytest.raises(UsageError, match=said):
            send(lake, config, sender, to=to)
    assert not (lake.root / "_redrives").exists()


def test_a_source_that_has_become_a_dead_letter_topic_is_refused_too(
    lake: Lake, pipeline: str, sender: MemorySender
) -> None:
    changed = ["kafka.topics=[{name: others}]", "dead_letters.topic.name=orders"]
    with pytest.raises(UsageError, match="orders is a dead-letter topic of orders"):
        send(lake, load_pipeline(Path(pipeline), changed), sender)
    assert sender.sent == []


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (None, "the topic orders does not exist"),
        (
            Target("made-anew", 2),
            "came from a topic orders that is gone, id id-of-orders; the one of this name now has",
        ),
        (Target("id-of-orders", 0), "the topic orders has 0 partitions only"),
    ],
)
def test_a_source_that_is_not_what_it_was_is_refused(
    lake: Lake, config: PipelineConfig, target: Target | None, said: str
) -> None:
    sender = MemorySender({} if target is None else {"orders": target})
    with pytest.raises(UsageError, match=said):
        send(lake, config, sender)
    assert (sender.sent, (lake.root / "_redrives").exists()) == ([], False)


def test_another_pipelines_root_is_refused(lake: Lake, pipeline: str, sender: MemorySender) -> None:
    with pytest.raises(ForeignRootError, match="is of pipeline orders on cluster cluster, this is payments on cluster"):
        send(lake, load_pipeline(Path(pipeline), ["pipeline=payments"]), sender)


def test_a_sink_without_notes_says_so(lake: Lake, config: PipelineConfig, sender: MemorySender) -> None:
    class Bare:
        ledger = lake.sink.ledger

    with pytest.raises(
        ConfigError, match=r"sink.type: Bare keeps no notes .*: without a journal in them nobody would know"
    ):
        redrive(config, Bare(), sender, RedriveRequest())  # type: ignore[arg-type]  # that is the point


def test_records_that_the_topic_will_not_keep_are_said(lake: Lake, config: PipelineConfig) -> None:
    sender = MemorySender({"orders": Target("id-of-orders", 2, keeps_ms=7 * 86_400_000)})
    (remark,) = send(lake, config, sender).remarks
    assert remark.startswith("7 of the records for orders are older than it keeps any (retention.ms)")
    done = send(lake, config, sender, timed_now=True, again=True)
    assert (done.remarks, {one.timestamp_ms for one in sender.sent[7:]}) == ([], {None})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fixes", "must be MODULE:FUNC"),
        ("no_such_fixes:f", "no_such_fixes can't be imported"),
        ("json:no_such", "the module json has no function no_such"),
    ],
)
def test_a_transform_that_is_not_there_is_said(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_transform(name)
