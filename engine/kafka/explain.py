"""librdkafka's errors as sentences for the reader: what was asked, what Kafka said, what to do."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

from streamlake.engine.codes.configuration import CLIENT_PROPERTY
from streamlake.engine.codes.kafka import FORBIDDEN, SIGN_IN, TLS, UNKNOWN_TOPIC, UNREACHABLE
from streamlake.engine.errors import ConfigError, SourceError, StreamLakeError

Client = TypeVar("Client")
Properties = Mapping[str, object]

NO_ANSWER = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001  # librdkafka's own
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001  # librdkafka's own
        KafkaError._TIMED_OUT,  # noqa: SLF001  # librdkafka's own
        KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001  # librdkafka's own
        KafkaError._MSG_TIMED_OUT,  # noqa: SLF001  # librdkafka's own
        KafkaError._RESOLVE,  # noqa: SLF001  # librdkafka's own
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.BROKER_NOT_AVAILABLE,
    }
)
"""Nobody answered: the outcome of what was asked is unknown."""

_ADVICE = {
    KafkaError._AUTHENTICATION: "check kafka.security (protocol, mechanism, username, password)",  # noqa: SLF001  # librdkafka's own
    KafkaError.SASL_AUTHENTICATION_FAILED: "check kafka.security (mechanism, username, password)",
    KafkaError.UNSUPPORTED_SASL_MECHANISM: "check kafka.security.mechanism against what the brokers offer",
    KafkaError._SSL: "check kafka.security (ca, certificate, key)",  # noqa: SLF001  # librdkafka's own
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "ask for the right on the topic (READ to read it, WRITE to write it, "
    "DESCRIBE_CONFIGS for its settings, CREATE, ALTER and ALTER_CONFIGS for `streamlake topics apply`)",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "ask for READ on the group kafka.group_id",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "ask for WRITE on the topic that is written, or "
    "for the right on the cluster",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "make it with `streamlake topics apply`, or mend the name",
    KafkaError._UNKNOWN_TOPIC: "make it with `streamlake topics apply`, or mend the name",  # noqa: SLF001  # librdkafka's own
    KafkaError._UNKNOWN_PARTITION: "look at `streamlake topics diff`",  # noqa: SLF001  # librdkafka's own
    KafkaError.INVALID_REPLICATION_FACTOR: "lower replication_factor, or leave it out for the broker's default",
    KafkaError.NOT_ENOUGH_REPLICAS: "too few replicas are in sync for min.insync.replicas: bring the brokers back",
}
_CODES = {
    KafkaError._AUTHENTICATION: SIGN_IN,  # noqa: SLF001  # librdkafka's own
    KafkaError.SASL_AUTHENTICATION_FAILED: SIGN_IN,
    KafkaError.UNSUPPORTED_SASL_MECHANISM: SIGN_IN,
    KafkaError._SSL: TLS,  # noqa: SLF001  # librdkafka's own
    KafkaError.TOPIC_AUTHORIZATION_FAILED: FORBIDDEN,
    KafkaError.GROUP_AUTHORIZATION_FAILED: FORBIDDEN,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: FORBIDDEN,
    KafkaError.UNKNOWN_TOPIC_OR_PART: UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_TOPIC: UNKNOWN_TOPIC,  # noqa: SLF001  # librdkafka's own
    KafkaError._UNKNOWN_PARTITION: UNKNOWN_TOPIC,  # noqa: SLF001  # librdkafka's own
}
_CONFIGURATION = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001  # librdkafka's own
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError._SSL,  # noqa: SLF001  # librdkafka's own
    }
)


def explain(error: KafkaError, doing: str, servers: str) -> StreamLakeError:
    """`error` while `doing` (`reading the offsets of x/0`) as the StreamLakeError to raise.

    ConfigError where the sign-in is refused, SourceError for everything else.
    """
    if error.code() in NO_ANSWER:
        hint = "is Kafka running there, and is kafka.bootstrap_servers right?"
        return SourceError(f"{doing}: no answer from {servers} ({error.str()}): {hint}", code=UNREACHABLE)
    said = f"{doing}: Kafka says {error.name()}: {error.str().rstrip('.')}"
    advice = _ADVICE.get(error.code())
    sentence = f"{said}: {advice}" if advice else said
    kind = ConfigError if error.code() in _CONFIGURATION else SourceError
    return kind(sentence, code=_CODES.get(error.code()))


def make_client(factory: Callable[[dict[str, Any]], Client], properties: Properties) -> Client:
    """A client of librdkafka. Raises ConfigError where it refuses a property (it asks no broker yet)."""
    try:
        return factory(dict(properties))
    except KafkaException as error:
        cause = error.args[0]
        text = cause.str() if isinstance(cause, KafkaError) else str(cause)
        raise ConfigError(f"kafka.properties: librdkafka refuses the settings: {text}", code=CLIENT_PROPERTY) from None
    except (TypeError, ValueError) as error:
        raise ConfigError(f"kafka.properties: librdkafka refuses the settings: {error}", code=CLIENT_PROPERTY) from None
