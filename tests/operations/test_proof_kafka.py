"""`prove --kafka` compares what landed with the topic itself, and says what it could not compare."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.lake import Lake, Landing, numbered_batch
from support.memory_topics import MemoryTopics

from streamlake.engine.errors import PositionLostError
from streamlake.engine.operations.proof_types import KafkaTotals, Proof
from streamlake.engine.operations.prove import prove
from streamlake.engine.records import Batch, OffsetRange, TopicPartition

ORDERS = TopicPartition("orders", 0)


@pytest.fixture(params=["parquet envelope", "parquet value", "jsonl envelope", "jsonl value"])
def lake(tmp_path: Path, request: pytest.FixtureRequest) -> Lake:
    file_format, columns = request.param.split()
    return Lake.make(tmp_path, format=file_format, columns=columns)


@pytest.fixture
def landing(lake: Lake) -> Landing:
    """[0, 30) in three entries; 12 and 18 refused, 15 skipped, 13 a hole."""
    landing = lake.claim(ORDERS)
    landing.land(10)
    landing.land(10, refused=[2, 8], skipped=[5], holes=[3])
    landing.land(10)
    return landing


@pytest.fixture
def topic(landing: Landing) -> MemoryTopics:
    """The topic as it was landed."""
    return MemoryTopics({ORDERS: list(landing.batches)})


def told(proof: Proof) -> list[tuple[str, OffsetRange | None]]:
    assert all(defect.source == ORDERS for defect in proof.defects)
    return [(defect.kind, defect.offsets) for defect in proof.defects]


def test_a_topic_that_holds_what_landed_is_compared_offset_by_offset(lake: Lake, topic: MemoryTopics) -> None:
    proof = prove(lake.ledger(), topic_reader=topic)
    assert (proof.defects, proof.notes) == ([], [])
    assert proof.kafka == KafkaTotals(compared=30, values=28, expired=0, vanished=0)
    assert topic.asked == [OffsetRange(0, 10), OffsetRange(10, 20), OffsetRange(20, 30)]


@pytest.mark.parametrize("offset", [0, 9, 12, 14, 18, 29])
def test_another_value_is_told_for_rows_and_dead_letters(lake: Lake, topic: MemoryTopics, offset: int) -> None:
    topic.change(ORDERS, offset, b'{"offset": -1}')
    assert told(prove(lake.ledger(), topic_reader=topic)) == [("value", OffsetRange(offset, offset + 1))]


def test_a_skipped_offset_has_nothing_to_compare_with(lake: Lake, topic: MemoryTopics) -> None:
    topic.change(ORDERS, 15, b"whatever")
    assert prove(lake.ledger(), topic_reader=topic).holds


def test_a_message_at_a_recorded_hole_was_lost(lake: Lake, topic: MemoryTopics) -> None:
    topic.batches[ORDERS][1] = numbered_batch(ORDERS, 10, 10, range(10))
    assert told(prove(lake.ledger(), topic_reader=topic)) == [("hole", OffsetRange(13, 14))]


NOT_TWICE = "orders/0: Kafka did not deliver the same records twice; what came once was aborted"


@dataclass
class Unsteady(MemoryTopics):
    """A topic that delivers `more` records, aborted ones, at first or when it is asked afresh: as Kafka 4.3.1 may."""

    more: Collection[int] = ()
    when: bool = False

    def read(self, source: TopicPartition, within: OffsetRange, *, afresh: bool = False) -> Iterator[Batch]:
        """With `more` in one of the cases."""
        for batch in super().read(source, within):
            first = batch.range.first
            there = {*batch.offsets, *(self.more if afresh == self.when else ())}
            yield numbered_batch(
                source, first, len(batch.range), [at for at in range(len(batch.range)) if first + at in there]
            )


def test_a_message_that_is_not_delivered_a_second_time_was_not_lost_and_that_is_said(
    lake: Lake, topic: MemoryTopics
) -> None:
    proof = prove(lake.ledger(), topic_reader=Unsteady(topic.batches, more={13}))
    assert proof.holds
    assert proof.notes == [NOT_TWICE]


@pytest.mark.parametrize("afresh", [False, True])
def test_a_row_that_one_of_two_answers_leaves_out_is_foreign(lake: Lake, topic: MemoryTopics, *, afresh: bool) -> None:
    topic.batches[ORDERS][1] = numbered_batch(ORDERS, 10, 10, [at for at in range(10) if at not in (3, 4, 7)])
    unsteady = Unsteady(topic.batches, more={14}, when=afresh)
    found = prove(lake.ledger(), topic_reader=unsteady)
    assert told(found) == [("foreign", OffsetRange(14, 15)), ("foreign", OffsetRange(17, 18))]


def test_a_row_without_a_message_is_foreign_unless_the_topic_is_compacted(lake: Lake, topic: MemoryTopics) -> None:
    topic.drop(ORDERS, 21)
    topic.drop(ORDERS, 18)
    found = told(prove(lake.ledger(), topic_reader=topic))
    assert found == [("foreign", OffsetRange(18, 19)), ("foreign", OffsetRange(21, 22))]
    topic.compacted = True
    proof = prove(lake.ledger(), topic_reader=topic)
    assert proof.holds
    assert proof.kafka == KafkaTotals(compared=30, values=26, expired=0, vanished=2)


def test_what_has_expired_is_counted_and_said(lake: Lake, topic: MemoryTopics) -> None:
    topic.low[ORDERS] = 16
    topic.change(ORDERS, 3, b"expired, so nobody can tell")
    proof = prove(lake.ledger(), topic_reader=topic)
    assert proof.holds
    assert proof.kafka == KafkaTotals(compared=14, values=14, expired=16, vanished=0)
    assert proof.notes == ["orders/0: the topic no longer keeps all that landed: its older part is not compared"]


def test_what_expires_between_question_and_answer_is_asked_for_again(lake: Lake, topic: MemoryTopics) -> None:
    read = topic.read

    def expiring(source: TopicPartition, within: OffsetRange, **_: bool) -> object:
        if within.first == 10:
            topic.low[ORDERS] = 14
        return read(source, within)

    topic.read = expiring  # type: ignore[method-assign, assignment]
    proof = prove(lake.ledger(), topic_reader=topic)
    assert (proof.holds, proof.kafka and proof.kafka.expired) == (True, 4)


def test_a_position_that_is_lost_though_nothing_expired_is_an_error(lake: Lake, topic: MemoryTopics) -> None:
    def lost(source: TopicPartition, within: OffsetRange, **_: bool) -> object:
        raise PositionLostError(f"{source}: {within} is not there")

    topic.read = lost  # type: ignore[method-assign, assignment]
    with pytest.raises(PositionLostError):
        prove(lake.ledger(), topic_reader=topic)


@pytest.mark.parametrize("change", ["another id", "no such topic"])
def test_a_topic_made_anew_can_not_be_compared_and_that_is_said(lake: Lake, topic: MemoryTopics, change: str) -> None:
    if change == "another id":
        topic.ids["orders"] = "new"
    else:
        topic.batches.clear()
    proof = prove(lake.ledger(), topic_reader=topic)
    assert proof.holds
    assert (proof.kafka and proof.kafka.expired) == 30
    assert len(proof.notes) == 1
    assert "id-of-orders" in proof.notes[0]


def test_rows_past_the_end_of_the_topic_are_foreign(lake: Lake, topic: MemoryTopics) -> None:
    topic.batches[ORDERS] = topic.batches[ORDERS][:2]
    assert told(prove(lake.ledger(), topic_reader=topic)) == [("foreign", OffsetRange(20, 30))]


def test_what_lands_while_the_proof_is_under_way_is_compared_with_what_came_meanwhile(
    lake: Lake, topic: MemoryTopics, landing: Landing
) -> None:
    kept = topic.kept
    answers = iter([OffsetRange(0, 20)])
    topic.kept = lambda source: next(answers, kept(source))  # type: ignore[method-assign]
    assert landing.next == 30
    assert prove(lake.ledger(), topic_reader=topic).holds


def test_a_file_that_is_not_what_was_committed_is_not_compared_as_well(lake: Lake, topic: MemoryTopics) -> None:
    lake.files("raw")[1].unlink()
    topic.change(ORDERS, 14, b"{}")
    proof = prove(lake.ledger(), topic_reader=topic)
    assert [defect.kind for defect in proof.defects] == ["missing"]
    assert proof.kafka == KafkaTotals(compared=20, values=20)


def test_line_breaks_that_jsonl_turned_into_spaces_are_no_difference(tmp_path: Path) -> None:
    for file_format, holds in (("jsonl", True), ("parquet", True)):
        lake = Lake.make(tmp_path / file_format, format=file_format)
        landing = lake.claim(ORDERS)
        landing.land(1, value=lambda offset: b'{\n"offset":\r\n %d}' % offset)
        assert prove(lake.ledger(), topic_reader=MemoryTopics({ORDERS: landing.batches})).holds is holds


def test_rows_of_several_files_without_offsets_are_compared_by_offset_and_that_is_said(tmp_path: Path) -> None:
    lake = Lake.make(tmp_path, columns="value", partition_by="record_hour")
    landing = lake.claim(ORDERS)
    landing.land(3000)
    topic = MemoryTopics({ORDERS: landing.batches})
    proof = prove(lake.ledger(), topic_reader=topic)
    assert (proof.holds, proof.kafka) == (True, KafkaTotals(compared=3000, values=0))
    assert ["values were not" in note for note in proof.notes] == [True]
    topic.drop(ORDERS, 1234)
    assert told(prove(lake.ledger(), topic_reader=topic)) == [("foreign", OffsetRange(1234, 1235))]


def test_many_differing_values_are_told_in_a_bounded_number_of_lines(lake: Lake, topic: MemoryTopics) -> None:
    for offset in range(0, 10, 2):
        topic.change(ORDERS, offset, b"{}")
    found = told(prove(lake.ledger(), topic_reader=topic))
    assert found == [("value", OffsetRange(offset, offset + 1)) for offset in range(0, 10, 2)]
