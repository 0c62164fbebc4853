"""The `kafka:` section of a pipeline's YAML: which cluster, which group, which topics, and how to sign in."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from streamlake.config.refused_properties import why_refused
from streamlake.config.section import Section
from streamlake.config.security import SecuritySettings
from streamlake.config.values import (
    Secret,
    ServerList,
    SettingText,
    SeveralProblemsError,
    StartPosition,
    TopicName,
    Whole,
)


class TopicSettings(Section):
    """One topic: its name, and what `streamlake topics apply` makes of it."""

    name: TopicName = Field(
        description="The topic's name. Change it for another topic; what has landed stays under the old name."
    )
    partitions: Annotated[Whole, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description="How many partitions it shall have. Default: the broker's, and then it is not compared. Change it "
        "for more workers at once, one a partition. They never become fewer, and with more of them keys move to other "
        "partitions.",
    )
    replication_factor: Annotated[Whole, Field(ge=1, le=100)] | None = Field(
        default=None,
        description="How many brokers hold each partition. Default: the broker's, and then it is not compared. Change "
        "it where the cluster's own is 1 and the loss of one broker shall lose nothing; `topics apply` sets it for "
        "new topics only.",
    )
    config: dict[str, SettingText] = Field(
        default_factory=dict,
        description="Topic settings by Kafka's own names, e.g. retention.ms. Default: none; what is left out here is "
        "neither set nor compared. Change it for retention.ms above all: longer than the longest outage that may go "
        "unseen.",
    )


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

    bootstrap_servers: ServerList = Field(
        description="Brokers to ask first: host:port, several with commas between. Change it when the brokers move; "
        "another cluster needs another root, too."
    )
    group_id: str = Field(
        min_length=1,
        max_length=255,
        description="The consumer group: hosts with the same one share the partitions. Change it only together with "
        "the root: a root belongs to one group.",
    )
    group_protocol: Literal["classic", "consumer"] = Field(
        default="classic",
        description="How the group shares partitions: classic, or consumer (KIP-848, brokers from 4.0). Default: "
        "classic. Change it to consumer where all brokers have it: they assign then, and no round of all members is "
        "waited for.",
    )
    start: StartPosition = Field(
        default="earliest",
        description="Where the very first start begins, and only that one: earliest, latest, committed (by this "
        "group) or a timestamp with its zone. Default: earliest. Change it before the very first start; later "
        "`streamlake offsets reset` moves the position.",
    )
    topics: Annotated[tuple[TopicSettings, ...], AfterValidator(_different_topics)] = Field(
        description="The topics that are read."
    )
    security: SecuritySettings = Field(
        default=SecuritySettings(), description="Encryption and sign-in. Default: PLAINTEXT."
    )
    properties: Annotated[dict[str, Annotated[Secret, Field()]], AfterValidator(_allowed_properties)] = Field(
        default_factory=dict,
        description="Handed to librdkafka as they are, except those that the promise rests on. Default: none. Change "
        "it for what has no setting of its own, as session.timeout.ms.",
        json_schema_extra={"additionalProperties": {"type": ["string", "number", "boolean"]}},
    )

    @model_validator(mode="after")
    def _a_token_comes_from_somewhere(self) -> "KafkaSettings":
        by_properties = any(name.startswith("sasl.oauthbearer.") for name in self.properties)
        if self.security.mechanism == "OAUTHBEARER" and self.security.oauth is None and not by_properties:
            raise SeveralProblemsError((("security", "oauth"), "is missing: mechanism OAUTHBEARER needs it"))
        return self

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
