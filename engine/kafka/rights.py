"""Questions of `streamlake validate` to a cluster: which topics it shows, and what this user may do with one."""

import time

from confluent_kafka import KafkaError, TopicCollection

from streamlake.engine.kafka.admin import ClusterAdmin
from streamlake.engine.kafka.explain import explain
from streamlake.engine.kafka.group_offsets import COORDINATOR_MOVES

_AGAIN_SECONDS = 0.1


class RightsAdmin(ClusterAdmin):
    """A ClusterAdmin that also asks for rights; same errors. It tries nothing: the broker tells what it would allow."""

    def topic_rights(self, topic: str) -> frozenset[str]:
        """What this user may do with a topic that exists: READ, WRITE, DESCRIBE, …; SourceError without DESCRIBE."""
        doing = f"asking for the rights on the topic {topic}"
        asked = TopicCollection([topic])
        futures = self._ask(
            doing,
            lambda: self._client.describe_topics(asked, include_authorized_operations=True, **self._bounded()),
        )
        (found,) = (self._result(doing, future) for future in futures.values())
        return frozenset(operation.name for operation in found.authorized_operations or ())

    def group_rights(self, group: str) -> frozenset[str]:
        """What this user may do with a consumer group, which need not be there yet; SourceError without DESCRIBE."""
        doing = f"asking for the rights on the group {group}"
        deadline = time.monotonic() + self._timeout
        while True:
            futures = self._ask(
                doing,
                lambda: self._client.describe_consumer_groups(
                    [group], include_authorized_operations=True, **self._bounded()
                ),
            )
            (found,) = (self._result_or_error(doing, future, COORDINATOR_MOVES) for future in futures.values())
            if not isinstance(found, KafkaError):
                return frozenset(operation.name for operation in found.authorized_operations or ())
            if time.monotonic() > deadline:
                raise explain(found, doing, self._servers)
            time.sleep(_AGAIN_SECONDS)
