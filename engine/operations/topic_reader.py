"""What the operations ask of Kafka when they read a topic back; `engine/kafka/reader.py` answers on a real one."""

from collections.abc import Iterator
from typing import Protocol

from streamlake.engine.records import Batch, OffsetRange, TopicPartition


class TopicReader(Protocol):
    """Reads what a topic still holds, as a `read_committed` reader sees it. Commits nothing, joins no group."""

    def topic_id(self, topic: str) -> str | None:
        """The topic's id as the engine writes it down; None where there is no such topic. Raises SourceError."""

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has. Raises SourceError."""

    def kept(self, source: TopicPartition) -> OffsetRange:
        """From the first offset that is still kept to the last stable one. Raises SourceError."""

    def keeps_all(self, topic: str) -> bool:
        """False for a compacted topic, where messages may vanish between others that stay. Raises SourceError."""

    def read(self, source: TopicPartition, within: OffsetRange, *, afresh: bool = False) -> Iterator[Batch]:
        """Every message of `within`, in order, in batches of any size. Ends when the position passes `within`.

        Reading on where the last call ended costs no new start. `afresh`: with a new request to the broker all the
        same, that begins where `within` does and reaches far beyond. Raises PositionLostError where the beginning of
        `within` is no longer kept, SourceError when nothing comes.
        """
