"""A consumer group from outside: who is in it, and where it goes on reading while nobody is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError

from streamlake.engine.kafka.admin import ClusterAdmin
from streamlake.engine.kafka.explain import explain
from streamlake.engine.kafka.positions import with_position
from streamlake.engine.records import TopicPartition

_NO_GROUP = frozenset({KafkaError.GROUP_ID_NOT_FOUND})
_NOT_EMPTY = frozenset(
    {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP, KafkaError.REBALANCE_IN_PROGRESS}
    | {KafkaError.STALE_MEMBER_EPOCH, KafkaError.ILLEGAL_GENERATION}
)
"""What the coordinator says to somebody who is no member, while the group has some."""


@dataclass(frozen=True, slots=True, order=True)
class GroupMember:
    """One consumer that has a seat in the group: the host it came from, and the id that its client has chosen."""

    host: str
    client_id: str


class GroupAdmin(ClusterAdmin):
    """A ClusterAdmin that may also move an empty group; same errors."""

    def members(self, group_id: str) -> Sequence[GroupMember]:
        """Who is in the group, ascending; nobody where there is no such group."""
        doing = f"asking who is in the group {group_id}"
        futures = self._ask(doing, lambda: self._client.describe_consumer_groups([group_id], **self._bounded()))
        answer = self._result_or_error(doing, futures[group_id], _NO_GROUP)
        if isinstance(answer, KafkaError):
            return ()
        return sorted(GroupMember(str(one.host).lstrip("/"), str(one.client_id)) for one in answer.members)

    def set_group_offsets(self, group_id: str, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit the next offset of each partition for an empty group; False, and nothing is set, where it is not."""
        if not offsets:
            return True
        doing = f"setting the offsets of the group {group_id}"
        places = [with_position(source, offset, None) for source, offset in sorted(offsets.items())]
        request = [ConsumerGroupTopicPartitions(group_id, places)]
        futures = self._ask(doing, lambda: self._client.alter_consumer_group_offsets(request, **self._bounded()))
        answer = self._result_or_error(doing, futures[group_id], _NOT_EMPTY)
        if isinstance(answer, KafkaError):
            return False
        refused = [place.error for place in answer.topic_partitions if place.error is not None]
        if any(error.code() in _NOT_EMPTY for error in refused):
            return False
        for error in refused:
            raise explain(error, doing, self._servers)
        return True
