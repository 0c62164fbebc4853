"""Some records of a topic, read without a group: how many of each partition, which, and how many bytes at most."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from streamlake.engine.errors import PositionLostError
from streamlake.engine.operations.topic_reader import TopicReader
from streamlake.engine.packed import bytes_of
from streamlake.engine.records import Batch, OffsetRange, TopicPartition

BYTES_MAX = 64 * 2**20
"""Of all values together: what a look may hold in memory, however large records are."""

PARTITIONS_MAX = 64
"""So many partitions tell enough of a topic; each costs a request or two."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The first `records` records of a range of offsets, which may hold fewer: offsets have holes."""

    source: TopicPartition
    within: OffsetRange
    records: int


def shares(sizes: Mapping[TopicPartition, int], limit: int) -> dict[TopicPartition, int]:
    """How many of `limit` each partition gives: all the same, but what small ones do not have the larger ones give."""
    found: dict[TopicPartition, int] = {}
    ascending = sorted(sizes, key=lambda source: (sizes[source], source))
    for at, source in enumerate(ascending):
        found[source] = min(sizes[source], (limit - sum(found.values())) // (len(ascending) - at))
    return found


def oldest_and_newest(kept: Mapping[TopicPartition, OffsetRange], limit: int) -> Iterator[Wanted]:
    """Half of each partition's share from its beginning and half from its end, partition by partition.

    Of more partitions than PARTITIONS_MAX that hold anything, as many, evenly spread.
    """
    holding = [source for source in sorted(kept) if kept[source]]
    some = holding if len(holding) <= PARTITIONS_MAX else _spread(holding)
    for source, share in sorted(shares({source: len(kept[source]) for source in some}, limit).items()):
        offsets, older = kept[source], share // 2
        if share == len(offsets):
            yield Wanted(source, offsets, share)
            continue
        if older:
            yield Wanted(source, OffsetRange(offsets.first, offsets.first + older), older)
        yield Wanted(source, OffsetRange(offsets.next - (share - older), offsets.next), share - older)


def read_some(reader: TopicReader, wanted: Iterable[Wanted], bytes_max: int = BYTES_MAX) -> Iterator[Batch]:
    """What is wanted, one after the other; ends early with the batch that reaches `bytes_max`. Raises SourceError.

    What Kafka deletes between the question for its offsets and this one is left out.
    """
    size = 0
    for one in wanted:
        left = one.records
        try:
            for read in reader.read(one.source, one.within) if left else ():
                batch = read if len(read) <= left else read.cut(left)[0]
                yield batch
                left -= len(batch)
                size += bytes_of(batch.values)
                if size >= bytes_max:
                    return
                if not left:
                    break
        except PositionLostError:
            continue


def _spread(sources: list[TopicPartition]) -> list[TopicPartition]:
    return [sources[at * len(sources) // PARTITIONS_MAX] for at in range(PARTITIONS_MAX)]
