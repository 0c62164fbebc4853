"""The `kafka:` section of a pipeline's YAML: which cluster, which group, which topics, and how to sign in."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from streamlake.config.refused_properties import why_refused
from streamlake.config.values import (
    PathBeside,
    Secret,
    ServerList,
    SettingText,
    SeveralProblemsError,
    StartPosition,
    TopicName,
    Whole,
)


class Section(BaseModel):
    """A part of the YAML: unknown keys are refused, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TopicSettings(Section):
    """One topic: its name, and what `streamlake topics apply` makes of it."""

    name: TopicName = Field(description="The topic's name.")
    partitions: Annotated[Whole, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description="How many partitions it shall have. Default: the broker's, and then it is not compared.",
    )
    replication_factor: Annotated[Whole, Field(ge=1, le=100)] | None = Field(
        default=None,
        description="How many brokers hold each partition. Default: the broker's, and then it is not compared.",
    )
    config: dict[str, SettingText] = Field(
        default_factory=dict,
        description="Topic settings by Kafka's own names, e.g. retention.ms. Default: none; what is left out here "
        "is neither set nor compared.",
    )


class SecuritySettings(Section):
    """How the clients sign in and whether the connection is encrypted. Left out = PLAINTEXT, no sign-in."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="Encryption and sign-in. Default: PLAINTEXT, neither."
    )
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"] | None = Field(
        default=None, description="The SASL mechanism; needed with SASL_PLAINTEXT and SASL_SSL. Default: none."
    )
    username: str | None = Field(default=None, description="The user name for PLAIN and SCRAM. Default: none.")
    password: Secret | None = Field(
        default=None, description="The password for PLAIN and SCRAM; from ${VARIABLE} or ${file:PATH}. Default: none."
    )
    ca: PathBeside | None = Field(
        default=None,
        description="File of the certificates to trust (PEM), relative to this file. Default: the system's.",
    )
    certificate: PathBeside | None = Field(
        default=None, description="File of this client's own certificate (PEM), relative to this file. Default: none."
    )
    key: PathBeside | None = Field(
        default=None, description="File of the key to `certificate` (PEM), relative to this file. Default: none."
    )

    @model_validator(mode="after")
    def _belongs_together(self) -> "SecuritySettings":
        problems = [*self._sasl_problems(), *self._tls_problems()]
        if problems:
            raise SeveralProblemsError(*problems)
        return self

    def _sasl_problems(self) -> list[tuple[tuple[str], str]]:
        if not self.protocol.startswith("SASL_"):
            given = [name for name in ("mechanism", "username", "password") if getattr(self, name) is not None]
            return [((name,), f"is used by SASL only, and protocol is {self.protocol}") for name in given]
        if self.mechanism is None:
            return [(("mechanism",), f"is missing: protocol {self.protocol} needs one (SCRAM-SHA-512, PLAIN, …)")]
        if self.mechanism not in {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}:
            return []
        absent = [name for name in ("username", "password") if getattr(self, name) is None]
        return [((name,), f"is missing: mechanism {self.mechanism} needs it") for name in absent]

    def _tls_problems(self) -> list[tuple[tuple[str], str]]:
        if self.protocol not in {"SSL", "SASL_SSL"}:
            given = [name for name in ("ca", "certificate", "key") if getattr(self, name) is not None]
            return [((name,), f"is used by SSL only, and protocol is {self.protocol}") for name in given]
        if (self.certificate is None) != (self.key is None):
            absent = "certificate" if self.certificate is None else "key"
            return [((absent,), "is missing: certificate and key come together")]
        return []


def _allowed_properties(properties: dict[str, Secret]) -> dict[str, Secret]:
    refused = [((name,), f"is refused: {why}") for name in properties if (why := why_refused(name))]
    if refused:
        raise SeveralProblemsError(*refused)
    return properties


def _different_topics(topics: tuple[TopicSettings, ...]) -> tuple[TopicSettings, ...]:
    if not topics:
        raise ValueError("must name at least one topic")
    count = Counter(topic.name for topic in topics)
    again = [(index, topic.name) for index, topic in enumerate(topics) if count[topic.name] > 1]
    later = [(index, name) for index, name in again if name in {topic.name for topic in topics[:index]}]
    if later:
        raise SeveralProblemsError(*(((index, "name"), "stands in this list already") for index, _ in later))
    return topics


class KafkaSettings(Section):
    """Where the records come from."""

    bootstrap_servers: ServerList = Field(description="Brokers to ask first: host:port, several with commas between.")
    group_id: str = Field(
        min_length=1, max_length=255, description="The consumer group: hosts with the same one share the partitions."
    )
    group_protocol: Literal["classic", "consumer"] = Field(
        default="classic",
        description="How the group shares partitions: classic, or consumer (KIP-848, brokers from 4.0). "
        "Default: classic.",
    )
    start: StartPosition = Field(
        default="earliest",
        description="Where the very first start begins, and only that one: earliest, latest, committed (by this "
        "group) or a timestamp with its zone. Default: earliest.",
    )
    topics: Annotated[tuple[TopicSettings, ...], AfterValidator(_different_topics)] = Field(
        description="The topics that are read."
    )
    security: SecuritySettings = Field(
        default=SecuritySettings(), description="Encryption and sign-in. Default: PLAINTEXT."
    )
    properties: Annotated[dict[str, Annotated[Secret, Field()]], AfterValidator(_allowed_properties)] = Field(
        default_factory=dict,
        description="Handed to librdkafka as they are, except those that the promise rests on. Default: none.",
        json_schema_extra={"additionalProperties": {"type": ["string", "number", "boolean"]}},
    )

    @property
    def start_timestamp_ms(self) -> int | None:
        """`start` as milliseconds since 1970, where it is a timestamp; None for the three words."""
        if self.start in {"earliest", "latest", "committed"}:
            return None
        return round(datetime.fromisoformat(self.start).timestamp() * 1000)

    @property
    def topic_names(self) -> tuple[str, ...]:
        """The names of the topics that are read, as ordered in the YAML."""
        return tuple(topic.name for topic in self.topics)
