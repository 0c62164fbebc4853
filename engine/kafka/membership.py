"""A host's seat in the consumer group: everything it is assigned is paused at once, it never fetches.

Relies on (tried on Apache Kafka 4.1 and 4.3, classic and KIP-848): a paused member may commit offsets it never
fetched, and the coordinator refuses the commit of one who is no member any more.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

import structlog
from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as Assignment

from streamlake.engine.kafka.explain import make_client
from streamlake.engine.kafka.positions import with_position, without_position
from streamlake.engine.records import TopicPartition

log = structlog.get_logger("streamlake.membership")

CONFIRM_SECONDS = 5.0
LEAVE_SECONDS = 5.0
"""How long a commit on leaving, and the leaving itself, wait for a coordinator that gives no answer. Left to itself,
librdkafka waits a minute for each; but neither is worth the patience of whoever has asked us to end."""

Callback = Callable[[Sequence[TopicPartition]], None]


class KafkaMembership:
    """Implements `contracts.Membership` with one consumer that subscribes and never reads."""

    def __init__(self, topics: Sequence[str], properties: Mapping[str, object]) -> None:
        self._topics = list(topics)
        self._consumer: Consumer = make_client(Consumer, {**properties, "on_commit": _committed})

    def join(self, assigned: Callback, revoked: Callback, lost: Callback) -> None:
        """Subscribe. Cooperative in both protocols: only what changes hands is stopped."""

        def on_assign(consumer: Consumer, partitions: list[Assignment]) -> None:
            # A position of our own, which nobody reads from: without one the client asks for the committed offset
            # and reports an error for each partition that has none.
            consumer.incremental_assign([with_position(source, 0, None) for source in _ours(partitions)])
            consumer.pause(partitions)
            assigned(_ours(partitions))

        def on_revoke(consumer: Consumer, partitions: list[Assignment]) -> None:
            revoked(_ours(partitions))
            consumer.incremental_unassign(partitions)

        def on_lost(consumer: Consumer, partitions: list[Assignment]) -> None:
            lost(_ours(partitions))
            consumer.incremental_unassign(partitions)

        self._consumer.subscribe(self._topics, on_assign=on_assign, on_revoke=on_revoke, on_lost=on_lost)

    def poll(self) -> None:
        """Serve rebalances; what comes as a message can only be an error, since nothing is fetched."""
        message = self._consumer.poll(0)
        error = message.error() if message is not None else None
        if error is not None:
            log.warning("group", error=error.str())

    def commit(self, positions: Mapping[TopicPartition, tuple[int, int | None]], *, wait: bool) -> None:
        """Commit as a member; a refused commit is logged, for the ledger decides."""
        if not positions:
            return
        offsets = [with_position(source, *position) for source, position in positions.items()]

        def commit() -> None:
            try:
                if wait:
                    self._consumer.commit(offsets=offsets, asynchronous=False)
                else:
                    self._consumer.commit(offsets=offsets, asynchronous=True)
            except KafkaException as error:
                log.warning("group offset not committed", error=error.args[0].str())
            except RuntimeError:
                return  # closed meanwhile: nobody has waited for this commit any more

        if wait:
            _at_most(LEAVE_SECONDS, commit, "the group offset is not committed")
        else:
            commit()

    def confirm(self, source: TopicPartition) -> bool:
        """Commit once more what is committed: only a member whose generation is current may."""
        try:
            (now,) = self._consumer.committed([without_position(source)], timeout=CONFIRM_SECONDS)
            if now.error is None and now.offset >= 0:
                self._consumer.commit(offsets=[now], asynchronous=False)
        except KafkaException as error:
            log.warning("the group's coordinator does not confirm us", partition=str(source), error=error.args[0].str())
            return False
        except RuntimeError:
            return False  # closed meanwhile: we have left
        return now.error is None

    def close(self) -> None:
        """Leave the group, so that others get our partitions at once; unheard, they get them after our session."""
        _at_most(LEAVE_SECONDS, self._consumer.close, "the group is not left")


def _at_most(seconds: float, call: Callable[[], object], otherwise: str) -> None:
    """Wait for a call that can't be told how long; one that takes longer is left alone and ends with the process."""
    thread = threading.Thread(target=call, daemon=True, name="membership")
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        log.warning("the group's coordinator does not answer", so=otherwise, seconds=seconds)


def _ours(partitions: Sequence[Assignment]) -> list[TopicPartition]:
    return sorted(TopicPartition(each.topic, each.partition) for each in partitions)


def _committed(error: object, partitions: Sequence[Assignment]) -> None:
    if error is not None:
        log.warning("group offset not committed", error=str(error), partitions=len(partitions))
