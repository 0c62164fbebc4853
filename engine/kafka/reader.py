"""Reads ranges of a topic back, for `prove --kafka` and `dead --source topic`: joins no group and commits nothing."""

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Assignment

from streamlake.engine.codes.kafka import UNREACHABLE
from streamlake.engine.errors import PositionLostError, SourceError
from streamlake.engine.kafka.batches import batch_of, offset_of
from streamlake.engine.kafka.explain import Properties, explain, make_client
from streamlake.engine.kafka.topic_admin import TopicAdmin
from streamlake.engine.records import Batch, OffsetRange, TopicPartition

POLL_SECONDS = 0.5
GATHER_SECONDS = 0.01
OF_A_RANGE = {"enable.partition.eof": True, "fetch.wait.max.ms": 50}
"""A range has an end. A question that a broker keeps for seconds at one holds up the next range for as long."""
MESSAGES_MAX = 5_000  # of one call, and of one batch that `read` gives


class TopicRangeReader:
    """See `operations.topic_reader.TopicReader`. One consumer for all ranges; not for use by several threads."""

    def __init__(self, admin: TopicAdmin, properties: Properties, *, timeout_seconds: float = 30.0) -> None:
        self._admin, self._properties, self._timeout = admin, properties, timeout_seconds
        self._servers = str(properties.get("bootstrap.servers", ""))
        self._consumer: Consumer | None = None
        self._at: tuple[TopicPartition, int] | None = None  # where the messages not handed out yet begin
        self._ahead: list[Message] = []  # read already, and past the end of the last range
        self._end = -1  # up to where the client has said that nothing else comes

    def topic_id(self, topic: str) -> str | None:
        """The topic's id; None where there is no such topic."""
        return self._admin.topic_ids([topic]).get(topic)

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has; 0 where there is no such topic."""
        return self._admin.partitions([topic]).get(topic, 0)

    def kept(self, source: TopicPartition) -> OffsetRange:
        """From the first offset that is still kept to the last stable one; empty where there is no such partition."""
        low, high = self._admin.watermarks([source]).get(source, (0, 0))
        return OffsetRange(low, max(low, high))

    def keeps_all(self, topic: str) -> bool:
        """False for a compacted topic."""
        policy = self._admin.settings([topic])[topic]["cleanup.policy"].value
        return "compact" not in (policy or "")

    def read(self, source: TopicPartition, within: OffsetRange, *, afresh: bool = False) -> Iterator[Batch]:
        """Every message of `within` that a reader of committed records gets, in order."""
        if afresh or self._at != (source, within.first):
            self._move(source, within.first)
        position = within.first
        while position < within.next:
            messages, ended = self._next_messages(source, within, position)
            taken = [message for message in messages if offset_of(message) < within.next]
            self._ahead = messages[len(taken) :]
            following = within.next if ended or self._ahead else offset_of(taken[-1]) + 1
            covered, position = OffsetRange(position, following), following
            self._at = (source, position)
            if taken:
                yield batch_of(source, covered, None, taken)

    def close(self) -> None:
        """Leave the broker."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _move(self, source: TopicPartition, offset: int) -> None:
        """Read on at another place."""
        if self._consumer is None:
            self._consumer = make_client(Consumer, {**self._properties, **OF_A_RANGE})
        self._at, self._ahead, self._end = None, [], -1
        try:
            self._consumer.assign([Assignment(source.topic, source.partition, offset)])
        except KafkaException as error:
            raise explain(error.args[0], f"reading {source} from {offset}", self._servers) from None

    def _next_messages(self, source: TopicPartition, within: OffsetRange, position: int) -> tuple[list[Message], bool]:
        """Some messages at `position` or later, and whether nothing else of `within` can come."""
        if self._ahead:
            return self._ahead, False
        assert self._consumer is not None
        doing = f"reading {source} from {position}"
        deadline = time.monotonic() + self._timeout
        messages: list[Message] = []
        while not messages and self._end < within.next:
            if time.monotonic() > deadline:
                raise SourceError(
                    f"{doing}: nothing came from {self._servers} within {self._timeout:g} s", code=UNREACHABLE
                )
            try:
                # A call waits for as many as it is asked for: so it waits long for one only.
                chunk = self._consumer.consume(MESSAGES_MAX, timeout=GATHER_SECONDS)
                chunk = chunk or self._consumer.consume(1, timeout=POLL_SECONDS)
            except KafkaException as error:
                raise explain(error.args[0], doing, self._servers) from None
            for message in chunk:
                self._heed(message, doing)
            messages = [message for message in chunk if message.error() is None]
        return messages, self._end >= within.next

    def _heed(self, message: Message, doing: str) -> None:
        """Take note of the partition's end, which comes in a message's place; raise what else does."""
        problem = message.error()
        if problem is None:
            return
        if problem.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's own codes have an underscore
            self._end = offset_of(message)  # said once: whoever asks for what lies before it gets no other answer
        elif problem.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):  # noqa: SLF001
            raise PositionLostError(f"{doing}: the position is not there any more ({problem.str()})")
        else:
            raise explain(problem, doing, self._servers)
