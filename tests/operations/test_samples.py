"""Which records a look takes of which partitions, and that it ends where it should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.memory_cluster import MemoryCluster, batch

from streamlake.engine.errors import PositionLostError
from streamlake.engine.operations.samples import PARTITIONS_MAX, Wanted, oldest_and_newest, read_some, shares
from streamlake.engine.records import OffsetRange, TopicPartition


def source(number: int) -> TopicPartition:
    return TopicPartition("orders", number)


@given(st.lists(st.integers(0, 50), max_size=8), st.integers(0, 100))
def test_shares_are_all_of_the_limit_or_all_that_there_is_and_as_equal_as_can_be(sizes: list[int], limit: int) -> None:
    found = shares({source(number): size for number, size in enumerate(sizes)}, limit)
    assert sum(found.values()) == min(limit, sum(sizes))
    for number, size in enumerate(sizes):
        share = found[source(number)]
        assert share == size or share >= max(found.values()) - 1


def test_half_is_from_the_beginning_and_half_from_the_end() -> None:
    kept = {source(0): OffsetRange(100, 200), source(1): OffsetRange(5, 8), source(2): OffsetRange(3, 3)}
    assert list(oldest_and_newest(kept, 13)) == [
        Wanted(source(0), OffsetRange(100, 105), 5),
        Wanted(source(0), OffsetRange(195, 200), 5),
        Wanted(source(1), OffsetRange(5, 8), 3),
    ]
    assert list(oldest_and_newest({source(0): OffsetRange(0, 9)}, 1)) == [Wanted(source(0), OffsetRange(8, 9), 1)]


def test_of_many_partitions_some_are_taken_from_everywhere() -> None:
    kept = {source(number): OffsetRange(0, 10) for number in range(1000)}
    taken = [one.source.partition for one in oldest_and_newest(kept, 1000)]
    assert len(set(taken)) == PARTITIONS_MAX
    assert {number * 8 // 1000 for number in taken} == set(range(8)), "of each eighth some"


def test_no_more_records_are_read_than_are_wanted_and_no_more_bytes_than_allowed() -> None:
    topics = MemoryCluster.of([b"x" * 10] * 100, [b"y" * 10] * 100).topics
    wanted = [Wanted(source(0), OffsetRange(0, 100), 3), Wanted(source(1), OffsetRange(90, 100), 50)]
    read = list(read_some(topics, wanted))
    assert [(one.source.partition, list(one.offsets)) for one in read] == [(0, [0, 1, 2]), (1, list(range(90, 100)))]
    assert read[0].range == OffsetRange(0, 3)
    assert [len(one) for one in read_some(topics, wanted, bytes_max=30)] == [3]
    assert list(read_some(topics, [Wanted(source(0), OffsetRange(5, 5), 0)])) == []


def test_records_that_come_in_several_batches_are_counted_together() -> None:
    topics = MemoryCluster.of([]).topics
    topics.batches[source(0)] = [batch(source(0), [b"x"] * 4, first) for first in (0, 4, 8)]
    read = read_some(topics, [Wanted(source(0), OffsetRange(0, 12), 6)])
    assert [list(one.offsets) for one in read] == [[0, 1, 2, 3], [4, 5]]


def test_what_expires_meanwhile_is_left_out_and_the_rest_is_read() -> None:
    topics = MemoryCluster.of([b"x"] * 10, [b"y"] * 10).topics
    topics.low[source(0)] = 5
    wanted = [Wanted(source(0), OffsetRange(0, 3), 3), Wanted(source(1), OffsetRange(0, 3), 3)]
    with pytest.raises(PositionLostError):
        list(topics.read(source(0), OffsetRange(0, 3)))
    assert [one.source.partition for one in read_some(topics, wanted)] == [1]
