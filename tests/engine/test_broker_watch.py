"""Since when the broker does not answer: for which partitions, and the lines when it begins and ends."""

from structlog.testing import capture_logs
from structlog.typing import EventDict

from streamlake.engine.broker_watch import BrokerWatch
from streamlake.engine.records import TopicPartition

FIRST, SECOND = TopicPartition("orders", 0), TopicPartition("orders", 1)


def go_round(watch: BrokerWatch, begin: int, end: int, why: str = "refused") -> None:
    """The supervisor's loop, a turn a second."""
    for now in range(begin, end):
        watch.look(now, why)


def events(logs: list[EventDict]) -> list[tuple[str, float]]:
    return [(line["event"], line["seconds"]) for line in logs]


def test_an_answer_within_some_seconds_is_no_trouble() -> None:
    watch = BrokerWatch()
    with capture_logs() as logs:
        for begin in (0, 10, 20):
            watch.asked([FIRST], begin)
            go_round(watch, begin, begin + 7)
            watch.answered(FIRST)
            go_round(watch, begin + 7, begin + 10)
    assert (logs, watch.away, watch.since) == ([], {}, None)


def test_it_is_away_since_the_first_question_without_an_answer_and_back_with_an_answer() -> None:
    watch = BrokerWatch()
    with capture_logs() as logs:
        watch.asked([FIRST, SECOND], 0)
        go_round(watch, 0, 5)
        watch.answered(SECOND)
        watch.asked([FIRST, SECOND], 5)
        watch.answered(SECOND)
        go_round(watch, 5, 10)
        assert [*watch.away] == [FIRST], "only the one that is not answered for"
        since = watch.away[FIRST]
        go_round(watch, 10, 42)
        assert (watch.since, watch.why) == (since, "refused"), "it does not move"
        watch.answered(FIRST)
        go_round(watch, 42, 50)
    assert watch.away == {}
    assert events(logs) == [("the broker does not answer", 8.0), ("the broker answers again", 42)]
    assert (logs[0]["log_level"], logs[0]["why"], logs[0]["partitions"]) == ("warning", "refused", ["orders/0"])


def test_a_broker_that_stays_away_is_said_once_a_minute_and_for_each_partition_that_joins() -> None:
    watch = BrokerWatch()
    with capture_logs() as logs:
        watch.asked([FIRST, SECOND], 0)
        watch.answered(SECOND)
        go_round(watch, 0, 20, "")
        watch.asked([FIRST, SECOND], 20)
        go_round(watch, 20, 90, "")
    assert events(logs) == [("the broker does not answer", seconds) for seconds in (8, 28, 88)]
    assert {line["why"] for line in logs} == {"no answer yet"}
    assert [len(line["partitions"]) for line in logs] == [1, 2, 2]


def test_a_loop_that_stood_still_blames_nobody_for_it() -> None:
    watch = BrokerWatch()
    watch.asked([FIRST], 0)
    go_round(watch, 0, 2)
    with capture_logs() as logs:
        watch.look(60, "")  # the host slept; the answer waits to be heard
        assert watch.is_asked(FIRST)
        watch.answered(FIRST)
        go_round(watch, 61, 75)
    assert (logs, watch.away) == ([], {})


def test_a_topic_is_gone_when_the_broker_has_said_so_for_a_while_and_that_is_no_broker_that_is_away() -> None:
    watch = BrokerWatch()
    with capture_logs() as logs:
        for begin in (0, 5):
            watch.asked([FIRST, SECOND], begin)
            watch.answered(FIRST, missing_at=begin)
            watch.answered(SECOND)
            go_round(watch, begin, begin + 5 if begin == 0 else 8)
            assert watch.gone == {}, "a broker that has just started may not know it yet"
        go_round(watch, 8, 20)
    assert ([*watch.gone], watch.away) == ([FIRST], {})
    assert [(line["event"], line["log_level"], line["topics"]) for line in logs] == [
        ("the topic is gone", "error", ["orders"])
    ]
    watch.answered(FIRST)
    watch.look(20, "")
    assert watch.gone == {}


def test_while_the_broker_is_away_nobody_knows_whether_the_topic_is_still_gone() -> None:
    watch = BrokerWatch()
    watch.asked([FIRST], 0)
    watch.answered(FIRST, missing_at=0)
    go_round(watch, 0, 10)
    watch.asked([FIRST], 10)
    go_round(watch, 10, 20)
    assert ([*watch.away], watch.gone) == ([FIRST], {})
