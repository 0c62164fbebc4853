"""Topics of a test's own on the shared Kafka, and plain ways to fill them."""

import uuid
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its stubs forget it
from support.waiting import wait_until

ANSWER_SECONDS = 10.0
"""A node that goes on after a pause is for a moment no member of its cluster. What is asked just then is not answered,
also when the node is back; what is asked next is (once in thirty pauses under load, with librdkafka 2.16)."""
_LATER = frozenset(
    {
        KafkaError._TIMED_OUT,  # librdkafka's own
        KafkaError._ALL_BROKERS_DOWN,  # librdkafka's own
        KafkaError._TRANSPORT,  # librdkafka's own
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.INVALID_REPLICATION_FACTOR,
    }
)
"""The errors in which a question of that moment may end; or it is never answered."""


def make_topic(
    servers: str, name: str = "orders", partitions: int = 1, *, exactly: str | None = None, **config: str
) -> str:
    """A topic with a name nobody else has (or `exactly` this one); settings as `retention_ms="1000"`."""
    topic = exactly or f"{name}.{uuid.uuid4().hex[:8]}"
    settings = {key.replace("_", "."): value for key, value in config.items()}
    new = NewTopic(topic, partitions, 1, config=settings)
    asked = False

    def is_made() -> bool:
        nonlocal asked
        with AdminClient({"bootstrap.servers": servers}) as admin:
            try:
                admin.create_topics([new])[topic].result(ANSWER_SECONDS)
            except TimeoutError:
                pass  # it may be made, and may not
            except KafkaException as error:
                expected = _LATER | ({KafkaError.TOPIC_ALREADY_EXISTS} if asked else set())
                if error.args[0].code() not in expected:
                    raise
            asked = True
            return _is_shown(admin, topic, partitions)

    wait_until(is_made, f"{topic} is made and not shown")
    return topic


def delete_topic(servers: str, topic: str) -> None:
    """Delete it; the broker may show it for a moment after that."""
    with AdminClient({"bootstrap.servers": servers}) as admin:
        admin.delete_topics([topic])[topic].result(30)


def expire(servers: str, topic: str, before: int) -> None:
    """What retention does, on demand: everything before this offset of the first partition is gone."""
    with AdminClient({"bootstrap.servers": servers}) as admin:
        for future in admin.delete_records([TopicPartition(topic, 0, before)]).values():
            future.result(30)


def _is_shown(admin: AdminClient, topic: str, partitions: int) -> bool:
    """Whether the broker knows of it, which is a moment after the controller does; not while it gives no answer."""
    try:
        found = admin.list_topics(topic, timeout=10).topics[topic]
    except KafkaException:
        return False
    return (
        found.error is None
        and len(found.partitions) == partitions
        and all(one.leader >= 0 for one in found.partitions.values())
    )


def fill(
    servers: str, topic: str, values: Iterable[bytes | None], partition: int = 0, *, idempotent: bool = False
) -> None:
    """Produce `values` in order to one partition; returns when all are acknowledged.

    `idempotent` costs half a second, and keeps a broker that is just coming back from getting records twice.
    """
    settings = {"bootstrap.servers": servers, "acks": "all", "enable.idempotence": idempotent, "linger.ms": 5}
    producer = Producer(settings)
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        failed.extend([] if error is None else [error])

    for value in values:
        while True:
            try:
                producer.produce(topic, value, partition=partition, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(1)
    assert (producer.flush(60), failed) == (0, [])


def fill_in_transactions(servers: str, topic: str, *transactions: tuple[list[bytes], bool]) -> None:
    """One transaction after the other: its values, and whether it is committed (else aborted)."""
    producer = Producer({"bootstrap.servers": servers, "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(60)
    for values, commit in transactions:
        producer.begin_transaction()
        for value in values:
            producer.produce(topic, value, partition=0)
        producer.flush(60)
        (producer.commit_transaction if commit else producer.abort_transaction)(60)
