"""What a consumer group has committed, asked by a consumer: the admin client's own question can kill the process.

`AdminClient.list_consumer_group_offsets` ends in a segmentation fault when the coordinator is just being made or moves
(librdkafka issue 5040; seen with 2.16 in every second start on a new cluster). A consumer asks the same and survives.
"""

import time
from collections.abc import Callable, Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException

from streamlake.engine.errors import StreamLakeError
from streamlake.engine.kafka.explain import Properties, make_client
from streamlake.engine.kafka.positions import without_position
from streamlake.engine.records import TopicPartition

_AGAIN_SECONDS = 0.1
SLICE_SECONDS = 5.0
"""How long one question may take before it is looked whether it can be answered at all."""
COORDINATOR_MOVES = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError._WAIT_COORD,  # noqa: SLF001  # librdkafka's own codes have a leading underscore
    }
)
_ASKED_AGAIN = COORDINATOR_MOVES | {KafkaError._TIMED_OUT}  # noqa: SLF001  # as above


class GroupOffsets:
    """Asks for one group's offsets; joins no group, reads and commits nothing."""

    def __init__(self, properties: Properties, group_id: str) -> None:
        quiet = {"group.id": group_id, "enable.auto.commit": False, "enable.auto.offset.store": False}
        self._consumer: Consumer = make_client(Consumer, {**properties, **quiet})

    def committed(
        self,
        sources: Iterable[TopicPartition],
        timeout_seconds: float,
        explained: Callable[[KafkaError], StreamLakeError],
    ) -> dict[TopicPartition, int]:
        """The next offset the group wants of each partition; partitions without a committed one are left out.

        The coordinator is made at a group's first use and moves like a leader: it is asked again until the time-out.
        """
        wanted = [without_position(source) for source in sources]
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                left = max(0.1, deadline - time.monotonic())
                found = self._consumer.committed(wanted, timeout=min(left, SLICE_SECONDS))
            except KafkaException as error:
                if (forbidden := self._forbidden()) is not None:
                    raise explained(forbidden) from None
                if error.args[0].code() not in _ASKED_AGAIN or time.monotonic() > deadline:
                    raise explained(error.args[0]) from None
            else:
                refused = [place.error for place in found if place.error is not None]
                if refused:
                    raise explained(refused[0])
                return {TopicPartition(each.topic, each.partition): each.offset for each in found if each.offset >= 0}
            time.sleep(_AGAIN_SECONDS)

    def _forbidden(self) -> KafkaError | None:
        """That we may not ask for the group's coordinator; it comes as a message, and the question times out."""
        message = self._consumer.poll(0)
        return message.error() if message is not None else None
