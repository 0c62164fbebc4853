"""A host's seat in the consumer group: everything it is assigned is paused at once, it never fetches.

Relies on (tried on Apache Kafka 4.1 and 4.3, classic and KIP-848): a paused member may commit offsets it never
fetched, and the coordinator refuses the commit of one who is no member any more.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Assignment

from streamlake.engine.kafka.explain import make_client
from streamlake.engine.kafka.positions import with_position, without_position
from streamlake.engine.kafka.trouble import Trouble
from streamlake.engine.records import TopicPartition

log = structlog.get_logger("streamlake.membership")

CONFIRM_SECONDS = 5.0
LEAVE_SECONDS = 5.0
"""How long a commit on leaving, and the leaving itself, wait for a coordinator that gives no answer. Left to itself,
librdkafka waits a minute for each; but neither is worth the patience of whoever has asked us to end."""

FORBIDDEN_MAX = 2
"""So often it may be forbidden to join at first: rights may be given this moment."""
AGAIN_SECONDS = 30.0
"""An error that comes again and again is said now and then."""
_FORBIDDEN = frozenset({KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED})

Callback = Callable[[Sequence[TopicPartition]], None]


class KafkaMembership:
    """Implements `contracts.Membership` with one consumer that subscribes and never reads."""

    def __init__(self, topics: Sequence[str], properties: Mapping[str, object]) -> None:
        self._topics = list(topics)
        self._group = properties.get("group.id")
        self._trouble = Trouble(properties)
        heard = {"on_commit": _committed, "error_cb": self._trouble.heard}
        self._consumer: Consumer = make_client(Consumer, {**properties, **heard})
        self._asking: threading.Thread | None = None  # for our seat
        self._was_in = False
        self._forbidden = 0
        self._said, self._said_at = "", 0.0

    def join(self, assigned: Callback, revoked: Callback, lost: Callback) -> None:
        """Subscribe. Cooperative in both protocols: only what changes hands is stopped."""

        def on_assign(consumer: Consumer, partitions: list[Assignment]) -> None:
            self._was_in = True
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
        """Serve rebalances; what comes as a message can only be an error, since nothing is fetched.

        Nothing is served while a question for our seat is open: the client does one call at a time, and this one would
        wait for the other's end, a minute where the coordinator says nothing.

        Raises SourceError where Kafka forbids to join, again and again, and we were never in: nothing would ever come.
        """
        if self._is_asking():
            return
        message = self._consumer.poll(0)
        error = message.error() if message is not None else None
        if error is None:
            return
        sentence = self._trouble.sentence(error, f"joining the group {self._group}")
        if error.code() in _FORBIDDEN and not self._was_in:
            self._forbidden += 1
            if self._forbidden >= FORBIDDEN_MAX:
                raise sentence
        if str(sentence) != self._said or time.monotonic() - self._said_at > AGAIN_SECONDS:
            self._said, self._said_at = str(sentence), time.monotonic()
            log.warning("group", error=self._said)

    def commit(self, positions: Mapping[TopicPartition, tuple[int, int | None]], *, wait: bool) -> bool:
        """Commit as a member; a refused commit is logged, for the ledger decides. False where `poll` serves nothing."""
        if not wait and self._is_asking():
            return False
        if not positions:
            return True
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
            _at_most(LEAVE_SECONDS, _thread(commit), "the group offset is not committed")
        else:
            commit()
        return True

    def confirm(self, sources: Sequence[TopicPartition]) -> Collection[TopicPartition]:
        """Commit once more what is committed: only a member whose generation is current may."""
        confirmed: list[TopicPartition] = []
        if self._asking is not None and self._asking.is_alive():
            self._asking.join(CONFIRM_SECONDS)  # who asked before is still waiting: this one has not asked yet
            return ()
        self._asking = _thread(lambda: confirmed.extend(self._confirmed(sources)))
        if not _at_most(CONFIRM_SECONDS, self._asking, "it is not known whether the partitions are still ours"):
            return ()
        return confirmed

    def _is_asking(self) -> bool:
        return self._asking is not None and self._asking.is_alive()

    def _confirmed(self, sources: Sequence[TopicPartition]) -> list[TopicPartition]:
        try:
            found = self._consumer.committed(list(map(without_position, sources)), timeout=CONFIRM_SECONDS)
            known = [each for each in found if each.error is None]
            written = [each for each in known if each.offset >= 0]
            if written:
                self._consumer.commit(offsets=written, asynchronous=False)
        except KafkaException as error:
            names = ", ".join(map(str, sources))
            log.warning("the group's coordinator does not confirm us", partitions=names, error=error.args[0].str())
            return []
        except RuntimeError:
            return []  # closed meanwhile: we have left
        return _ours(known)

    def close(self) -> None:
        """Leave the group, so that others get our partitions at once; unheard, they get them after our session."""
        _at_most(LEAVE_SECONDS, _thread(self._consumer.close), "the group is not left")


def _thread(call: Callable[[], object]) -> threading.Thread:
    return threading.Thread(target=call, daemon=True, name="membership")


def _at_most(seconds: float, thread: threading.Thread, otherwise: str) -> bool:
    """Let it do a call that can't be told how long to wait; whether it has ended.

    One that takes longer is left alone, and ends with the process.
    """
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        log.warning("the group's coordinator does not answer", so=otherwise, seconds=seconds)
    return not thread.is_alive()


def _ours(partitions: Sequence[Assignment]) -> list[TopicPartition]:
    return sorted(TopicPartition(each.topic, each.partition) for each in partitions)


def _committed(error: KafkaError | None, partitions: Sequence[Assignment]) -> None:
    if error is not None:
        log.warning("group offset not committed", error=error.str(), partitions=len(partitions))
