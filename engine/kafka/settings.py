"""The pipeline's `kafka:` section as librdkafka's properties: what the promise rests on is fixed here.

Names and meanings: https://github.com/confluentinc/librdkafka/blob/v2.16.0/CONFIGURATION.md
"""

from confluent_kafka import Consumer, Producer

from streamlake.config.kafka import KafkaSettings
from streamlake.engine.kafka.client_log import logger
from streamlake.engine.kafka.explain import make_client
from streamlake.engine.kafka.security import security_properties

DELIVERY_TIMEOUT_MS = 120_000
"""How long one record may be retried before it counts as failed; `kafka.properties` may say otherwise."""

MESSAGE_BYTES_MAX = 1_000_000_000
"""librdkafka's largest `message.max.bytes`: the broker's own limit shall be the one that decides."""

_READING = {
    "enable.auto.commit": False,  # the supervisor commits, for partitions it holds
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",  # an expired position stops the worker; librdkafka's default skips in silence
    "isolation.level": "read_committed",
    "check.crcs": True,
    "allow.auto.create.topics": False,
    "queued.max.messages.kbytes": 8_192,  # per worker process; librdkafka's 64 MiB times 64 workers is 4 GiB
    # A full queue is filled again after this long; after librdkafka's second it would be empty nearly all the time.
    "fetch.queue.backoff.ms": 50,
    # How long a broker keeps a question while nothing comes; what comes is answered at once.
    "fetch.wait.max.ms": 2_000,
}
FETCH_BYTES_FAR = 50 * 2**20
_FETCH_SIZES = ("fetch.message.max.bytes", "fetch.max.bytes")
_WRITING = {
    "acks": "all",
    "enable.idempotence": True,
    "compression.type": "lz4",
    "linger.ms": 5,
    "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
    "delivery.report.only.error": True,  # what a flush waited for and nobody reported has arrived
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 65_536,
    "message.max.bytes": MESSAGE_BYTES_MAX,
    "allow.auto.create.topics": False,
}
_GROUP_ONLY = ("group.", "session.", "heartbeat.", "coordinator.", "max.poll.")
_FETCH_ONLY = ("queued.", "fetch.", "max.partition.", "offset.", "consume.")
_PRODUCER_ONLY = (
    *("transaction", "queue.buffering.", "linger.", "message.send.", "retries", "compression.", "batch.", "sticky."),
    *("request.timeout.ms", "message.timeout.ms", "delivery.timeout.ms", "queuing.", "produce.", "partitioner"),
    "enable.gapless.guarantee",
)
"""How the names of properties begin that one kind of client knows alone: another would log a warning for each."""
_ALIASES = {
    "message.timeout.ms": "delivery.timeout.ms",
    "compression.codec": "compression.type",
    "queue.buffering.max.ms": "linger.ms",
}
"""Two names of one setting: ours gives way to the user's, under whichever name."""


def reader_properties(kafka: KafkaSettings, client_id: str) -> dict[str, object]:
    """For a consumer that is given its partition and position by `assign()`, and joins no group.

    The group id stands there because librdkafka wants one; nothing is ever committed by such a client.
    """
    theirs = _chosen(kafka, without=(*_PRODUCER_ONLY, *_GROUP_ONLY))
    return _connection(kafka, client_id) | _reading(theirs) | {"group.id": kafka.group_id}


def range_reader_properties(kafka: KafkaSettings, client_id: str) -> dict[str, object]:
    """For a reader that has to tell what is committed and what was aborted, whoever leads the partition.

    Kafka 4.3.1 delivers aborted records where a fetch ends shortly behind them, if its node was a follower that caught
    up when they were written (docs/reliability.md): so each fetch brings at least as much as a broker gives by default.
    """
    theirs = reader_properties(kafka, client_id)
    aliases = {"max.partition.fetch.bytes": "fetch.message.max.bytes"}
    found = {aliases.get(name, name): value for name, value in theirs.items()}
    # librdkafka wants each to be at least the one before, and room for the answer's head around it.
    bytes_max = max(int(str(found.get(name, 0))) for name in ("message.max.bytes", *_FETCH_SIZES))
    far = max(FETCH_BYTES_FAR, bytes_max)
    receive = max(int(str(found.get("receive.message.max.bytes", 0))), far + 1024)
    return found | dict.fromkeys(_FETCH_SIZES, far) | {"receive.message.max.bytes": receive}


def member_properties(kafka: KafkaSettings, client_id: str) -> dict[str, object]:
    """For the consumer that is the group's member: it gets partitions, commits, and never fetches."""
    group: dict[str, object] = {"group.id": kafka.group_id, "group.protocol": kafka.group_protocol}
    if kafka.group_protocol == "classic":
        group["partition.assignment.strategy"] = "cooperative-sticky"
    return _connection(kafka, client_id) | _reading(_chosen(kafka, without=_PRODUCER_ONLY)) | group


def producer_properties(kafka: KafkaSettings, client_id: str) -> dict[str, object]:
    """For a producer: every replica in sync has a record before it counts, and no retry can double it."""
    theirs = _chosen(kafka, without=(*_GROUP_ONLY, *_FETCH_ONLY))
    return _connection(kafka, client_id) | _under(_WRITING, theirs)


def admin_properties(kafka: KafkaSettings, client_id: str) -> dict[str, object]:
    """For questions and orders to the cluster. Its own log lines are left out: errors are raised as sentences."""
    quiet: dict[str, object] = {"log_level": 2}
    theirs = _chosen(kafka, without=(*_GROUP_ONLY, *_FETCH_ONLY, *_PRODUCER_ONLY))
    return _connection(kafka, client_id) | (theirs if "debug" in theirs else quiet | theirs)


def check_properties(kafka: KafkaSettings) -> None:
    """Let librdkafka look at the settings without talking to a broker. Raises ConfigError with what it refuses."""
    # Without any broker no connection is tried.
    silent = {"bootstrap.servers": "", "log_level": 0}
    if kafka.security.mechanism == "OAUTHBEARER":
        silent["security.protocol"] = "SSL"  # else each of the two would ask for a token
    make_client(Consumer, member_properties(kafka, "streamlake-check") | silent).close()
    make_client(Producer, producer_properties(kafka, "streamlake-check") | silent)


def _connection(kafka: KafkaSettings, client_id: str) -> dict[str, object]:
    return {
        "bootstrap.servers": kafka.bootstrap_servers,
        "client.id": client_id,
        "logger": logger,
        # A broker that is back is found within a second, not after librdkafka's ten.
        "reconnect.backoff.max.ms": 1000,
        **security_properties(kafka.security),
    }


def _chosen(kafka: KafkaSettings, *, without: tuple[str, ...]) -> dict[str, object]:
    """The user's own properties, less those that this kind of client would warn about."""
    return {name: value.get_secret_value() for name, value in kafka.properties.items() if not name.startswith(without)}


def _reading(theirs: dict[str, object]) -> dict[str, object]:
    """A consumer's properties. `socket.timeout.ms` has to be a second above `fetch.wait.max.ms`: theirs leads."""
    found = _under(_READING, theirs)
    if "socket.timeout.ms" in theirs and "fetch.wait.max.ms" not in theirs:
        del found["fetch.wait.max.ms"]
    return found


def _under(ours: dict[str, object], theirs: dict[str, object]) -> dict[str, object]:
    hidden = {_ALIASES.get(name, name) for name in theirs}
    return {name: value for name, value in ours.items() if name not in hidden} | theirs
