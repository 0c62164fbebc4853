"""The supervisor's questions to the broker: what one partition waits for holds no other one up."""

import threading
from collections.abc import Collection, Mapping, Sequence
from multiprocessing.connection import wait

from streamlake.engine.contracts import TopicFacts
from streamlake.engine.desk import Desk, Question
from streamlake.engine.records import TopicPartition

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


def _answered(desk: Desk, number: int) -> set[Question]:
    """The next `number` questions that are answered."""
    found: set[Question] = set()
    while len(found) < number:
        assert wait([desk.fileno()], timeout=20), found
        found |= {answer.question for answer in desk.answers()}
    return found
