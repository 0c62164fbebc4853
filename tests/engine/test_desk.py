"""The supervisor's questions to the broker: what one partition waits for holds no other one up."""

import threading
from collections.abc import Collection, Mapping, Sequence
from multiprocessing.connection import wait

from streamlake.engine.codes.kafka import UNREACHABLE
from streamlake.engine.contracts import TopicFacts
from streamlake.engine.desk import Answer, Desk, Question
from streamlake.engine.errors import SourceError
from streamlake.engine.records import TopicPartition
from streamlake.engine.retention import RetentionRules, Unread

LED, LEADERLESS = TopicPartition("orders", 0), TopicPartition("orders", 1)


class Cluster:
    """One partition has no leader."""

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str | None]:
        return dict.fromkeys(topics, "id")

    def facts(
        self, sources: Sequence[TopicPartition], group_id: str, *, incomplete: bool = False
    ) -> Mapping[TopicPartition, TopicFacts]:
        assert group_id == "group"
        assert incomplete, "waits for a leader for half a minute"
        return {source: TopicFacts("id", 0, 9, None, 0.0) for source in sources if source != LEADERLESS}


class Membership:
    """Nobody asks it here."""

    def confirm(self, sources: Sequence[TopicPartition]) -> Collection[TopicPartition]:
        raise AssertionError(f"not asked for {sources}")


def test_a_partition_without_a_leader_holds_nobody_up_and_is_said_once() -> None:
    said: list[str] = []
    asked_twice = threading.Event()

    class Watched(Cluster):
        def facts(
            self, sources: Sequence[TopicPartition], group_id: str, *, incomplete: bool = False
        ) -> Mapping[TopicPartition, TopicFacts]:
            if list(sources) == [LEADERLESS]:
                asked_twice.set()
            return super().facts(sources, group_id, incomplete=incomplete)

    desk = Desk(Watched(), Membership(), "group", said.append)  # type: ignore[arg-type]  # as much as it asks for
    wanted = {Question("facts", LED), Question("topic_id", LED), Question("topic_id", LEADERLESS)}
    for question in [Question("facts", LEADERLESS), *wanted]:
        desk.ask(question)
    assert _answered(desk, len(wanted)) == wanted
    assert asked_twice.wait(20), "it is not asked again"
    desk.close()
    assert said == ["no leader answers for orders/1; asking again, the others go on"]


def test_that_a_topic_is_gone_is_an_answer_and_no_partition_without_a_leader() -> None:
    gone = TopicPartition("deleted", 0)

    class Deleted(Cluster):
        def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str | None]:
            return {topic: "id" for topic in topics if topic != gone.topic}

        def facts(
            self, sources: Sequence[TopicPartition], group_id: str | None, *, incomplete: bool = False
        ) -> Mapping[TopicPartition, TopicFacts]:
            found = super().facts(sources, group_id or "group", incomplete=incomplete)
            return {source: known for source, known in found.items() if source != gone}

    desk = Desk(Deleted(), Membership(), "group", str)  # type: ignore[arg-type]  # as much as it asks for
    for source in (gone, LED):
        desk.ask(Question("ends", source))
    answers: list[Answer] = []
    while len(answers) < 2:
        assert wait([desk.fileno()], timeout=20), "no answer"
        answers += desk.answers()
    assert {answer.question.source: answer.gone for answer in answers} == {gone: True, LED: False}
    assert desk.away == ""
    desk.ask(Question("ends", LEADERLESS))
    desk.ask(Question("ends", gone))
    assert _answered(desk, 1) == {Question("ends", gone)}
    assert desk.away in ("", "no leader answers for orders/1")
    desk.close()


def test_whether_the_broker_is_there_is_asked_without_the_group_and_why_not_is_said_elsewhere() -> None:
    said: list[str] = []
    there, asked = threading.Event(), threading.Semaphore(0)

    class Away(Cluster):
        def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str | None]:
            asked.release()
            if there.is_set():
                return dict.fromkeys(topics, "id")
            raise SourceError("no answer, for half a minute", code=UNREACHABLE)

        def facts(
            self, sources: Sequence[TopicPartition], group_id: str | None, *, incomplete: bool = False
        ) -> Mapping[TopicPartition, TopicFacts]:
            assert (group_id, incomplete) == (None, True)
            if there.is_set():
                return {source: TopicFacts("id", 0, 9, None, 0.0) for source in sources}
            asked.release()
            raise SourceError("connection refused", code=UNREACHABLE)

    desk = Desk(Away(), Membership(), "group", said.append)  # type: ignore[arg-type]  # as much as it asks for
    desk.ask(Question("ends", LED))
    assert asked.acquire(timeout=20)
    assert asked.acquire(timeout=20), "it is not asked again"
    assert desk.away == "connection refused"
    desk.ask(Question("topic_id", LED))
    assert asked.acquire(timeout=20)
    there.set()
    assert _answered(desk, 2) == {Question("ends", LED), Question("topic_id", LED)}
    assert desk.away == ""
    desk.close()
    assert said == [], "whoever sees `away` says it, once for all questions"


def test_the_same_trouble_is_said_once_a_minute() -> None:
    said: list[str] = []
    asked = threading.Semaphore(0)

    class Refusing(Cluster):
        def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str | None]:
            asked.release()
            raise SourceError(f"may not describe {topics[0]}")

    desk = Desk(Refusing(), Membership(), "group", said.append)  # type: ignore[arg-type]  # as much as it asks for
    desk.ask(Question("topic_id", LED))
    for _ in range(3):
        assert asked.acquire(timeout=20)
    desk.close()
    assert said == ["the broker does not answer, asking again: may not describe orders"]


def test_a_coordinator_that_gives_no_answer_holds_up_nobody_who_commits() -> None:
    coordinator = threading.Event()
    asked: list[Sequence[TopicPartition]] = []

    class Slow(Membership):
        def confirm(self, sources: Sequence[TopicPartition]) -> Collection[TopicPartition]:
            asked.append(sources)
            coordinator.wait()
            return sources

    desk = Desk(Cluster(), Slow(), "group", print)  # type: ignore[arg-type]  # as much as it asks for
    for source in (LED, LEADERLESS):
        desk.ask(Question("seat", source))
    desk.ask(Question("topic_id", LED))
    desk.ask(Question("facts", LED))
    assert _answered(desk, 2) == {Question("topic_id", LED), Question("facts", LED)}
    coordinator.set()
    assert _answered(desk, 2) == {Question("seat", LED), Question("seat", LEADERLESS)}
    assert [source for sources in asked for source in sources] == [LED, LEADERLESS], "asked once each"
    desk.close()


def test_what_kafka_may_not_be_asked_is_answered_with_nothing_and_said_once() -> None:
    said: list[str] = []

    def denied(asked: Mapping[TopicPartition, int | None]) -> Mapping[TopicPartition, Unread]:
        assert asked == {LED: 7}
        raise SourceError("TOPIC_AUTHORIZATION_FAILED: DescribeConfigs is missing")

    desk = Desk(Cluster(), Membership(), "group", said.append, denied)  # type: ignore[arg-type]  # as much as it asks for
    for _ in range(2):
        desk.ask(Question("unread", LED, 7))
        assert _answered(desk, 1) == {Question("unread", LED, 7)}
    desk.close()
    (sentence,) = said
    assert sentence.endswith("(the alarm is off): TOPIC_AUTHORIZATION_FAILED: DescribeConfigs is missing")


def test_how_long_kafka_keeps_what_is_unread_is_asked_for_all_at_once() -> None:
    unread = Unread(RetentionRules(1000, None), 7)
    asked: list[Mapping[TopicPartition, int | None]] = []

    def ask(landed_ms: Mapping[TopicPartition, int | None]) -> Mapping[TopicPartition, Unread]:
        asked.append(landed_ms)
        return {LED: unread}

    desk = Desk(Cluster(), Membership(), "group", print, ask)  # type: ignore[arg-type]  # as much as it asks for
    desk.ask(Question("unread", LED, 7))
    assert wait([desk.fileno()], timeout=20)
    (answer,) = desk.answers()
    assert (answer.unread, asked) == (unread, [{LED: 7}])
    desk.close()


def _answered(desk: Desk, number: int) -> set[Question]:
    """The next `number` questions that are answered."""
    found: set[Question] = set()
    while len(found) < number:
        assert wait([desk.fileno()], timeout=20), found
        found |= {answer.question for answer in desk.answers()}
    return found
