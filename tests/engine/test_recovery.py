"""Before anything is claimed, the ledger's head is held against what the broker says."""

from dataclasses import dataclass, field

import pytest
from support.batches import ORDERS

from streamlake.engine.contracts import TopicFacts
from streamlake.engine.entries import Head, Recovered
from streamlake.engine.errors import PositionLostError
from streamlake.engine.letters import NoCopies
from streamlake.engine.records import DeadLetter
from streamlake.engine.recovery import Recovery, recover


@dataclass
class FakeSink:
    """Only what recovery calls, in the order it was called."""

    found: Head
    later: Head | None = None
    unsent: list[DeadLetter] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def head(self) -> Head:
        found = self.found
        self.found = self.later or found
        return found

    def claim(self, head: Head) -> Recovered:
        self.calls.append("claim")
        return Recovered(head.next, head.leader_epoch, self.unsent)

    def skip_to(self, next_offset: int, reason: str) -> None:
        self.calls.append(f"gap to {next_offset}: {reason[:7]}")


def head(next_offset: int, claims: int = 0) -> Head:
    return Head(seq=4, next=next_offset, leader_epoch=2, topic_id="id", claims=claims)


def facts(low: int = 0, high: int = 100, group: int | None = None, topic_id: str = "id") -> TopicFacts:
    return TopicFacts(topic_id, low, high, group, 0.0)


def recovery(sink: FakeSink, *answers: TopicFacts, gap: str = "stop") -> Recovery:
    said = iter(answers)
    return Recovery(ORDERS, "id", sink, NoCopies(), lambda: next(said), gap)  # type: ignore[arg-type]


def test_a_ledger_that_fits_is_claimed_and_goes_on_at_its_next_offset() -> None:
    sink = FakeSink(head(50, claims=1))
    recovered, claims = recover(recovery(sink, facts(group=50)))
    assert (recovered.next, recovered.leader_epoch, claims, sink.calls) == (50, 2, 1, ["claim"])


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (facts(topic_id="other"), "deleted and made anew"),
        (facts(high=40), "partition ends at 40"),
        (facts(high=40), "`streamlake offsets reset --to latest`"),
        (facts(group=51), "beyond the ledger's next 50"),
        (facts(group=51), "`streamlake offsets reset --to 50 --topic orders --partitions 0` sets the group back"),
        (facts(low=60), "`streamlake offsets reset --to earliest`"),
        (facts(topic_id="other"), "`streamlake offsets reset --recreated`"),
        (facts(low=60), r"\[50, 60\) are gone"),
    ],
)
def test_what_does_not_fit_stops_before_anything_is_claimed(answer: TopicFacts, sentence: str) -> None:
    sink = FakeSink(head(50))
    with pytest.raises(PositionLostError, match=sentence):
        recover(recovery(sink, answer, answer))
    assert sink.calls == []


def test_an_end_that_is_behind_for_a_moment_is_asked_again_before_it_is_believed() -> None:
    sink = FakeSink(head(50))
    recover(recovery(sink, facts(high=40), facts(high=50)))
    assert sink.calls == ["claim"]


def test_expired_offsets_are_written_down_as_a_gap_by_policy() -> None:
    sink = FakeSink(head(50))
    recovered, _ = recover(recovery(sink, facts(low=60), gap="record"))
    assert sink.calls == ["claim", "gap to 60: expired"]
    assert (recovered.next, recovered.leader_epoch) == (60, None)


def test_a_group_offset_from_before_the_first_landed_batch_stops_nobody() -> None:
    sink = FakeSink(Head(seq=1, next=0, leader_epoch=None, topic_id="id", claims=2))
    recover(recovery(sink, facts(group=77)))
    assert sink.calls == ["claim"]


def test_an_owner_that_commits_between_the_two_questions_does_not_park_its_successor() -> None:
    moved = Head(seq=5, next=70, leader_epoch=2, topic_id="id", claims=0)
    sink = FakeSink(head(50), later=moved)
    recovered, _ = recover(recovery(sink, facts(group=70), facts(group=70)))
    assert (recovered.next, sink.calls) == (70, ["claim"])
