"""The YAML that `streamlake init` writes: each line that a newcomer may change says what it is for."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from streamlake.engine.operations.draft import Chosen, TopicLook

NAME_CHARS_MAX = 100
TOPIC_CHARS_MAX = 249
HERE = "${KAFKA_BOOTSTRAP_SERVERS:-127.0.0.1:9092}"

_PLAIN = re.compile(r"[A-Za-z/][\w./-]*(:[\w./-]+)*")
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


@dataclass(frozen=True, slots=True)
class Places:
    """What of a pipeline is its own: `topic` and `servers` are None where nobody has said them."""

    file: str
    pipeline: str
    topic: str | None
    servers: str | None
    group: str
    root: str

    @property
    def reads(self) -> str:
        """The topic, or a name that stands for it."""
        return self.topic or self.pipeline

    @property
    def dead(self) -> str:
        """The dead-letter topic."""
        return f"{self.reads[: TOPIC_CHARS_MAX - len('.dlq')]}.dlq"


def pipeline_name(stem: str) -> str:
    """A name for the pipeline from that of its file: what no name may have becomes a hyphen."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).lstrip("._-")
    return name[:NAME_CHARS_MAX] or "pipeline"


def draft_yaml(
    places: Places, look: TopicLook | None, schema_file: str, connection: Mapping[str, object] | None = None
) -> str:
    """The whole file; `look` is None where nobody has looked at the topic.

    `connection` is what of `security` and `properties` was said of the cluster, variables as they were said.
    """
    validator: Chosen = look.validator if look else "json"
    return "\n".join(
        [
            _head(places),
            _kafka(places, look, connection or {}),
            _validator(validator, schema_file, looked=look is not None),
            _sink(places, typed=validator == "jsonschema"),
            _dead_letters(places),
        ]
    )


def quoted(text: str) -> str:
    """Text as YAML takes it for text."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return "'" + text.replace("'", "''") + "'"


def _head(places: Places) -> str:
    return f"""\
# A pipeline drafted by `streamlake init`: look at the lines below a comment before it runs for good.
#
#   streamlake topics apply {places.file}
#   streamlake validate {places.file}
#   streamlake dry-run {places.file}
#   streamlake run {places.file}
#
# Every setting can be given on the command line, too: --set sink.root=file:///data/lake
# All others, each with its default and a sentence, are in what `streamlake schema > pipeline.schema.json` writes. An
# editor that knows YAML shows them while you write, once the first line is
#   # yaml-language-server: $schema=pipeline.schema.json

# The name in logs, metrics and ledger entries. It stays: a root keeps whose it is.
pipeline: {quoted(places.pipeline)}
"""


def _kafka(places: Places, look: TopicLook | None, connection: Mapping[str, object]) -> str:
    servers = HERE if places.servers is None else quoted(places.servers)
    name = quoted(places.reads)
    if places.topic is None:
        name += "  # nobody has said which one: write it here"
    partitions = (
        f"""\
      # As the cluster has it. One worker process a partition; they can be added later, never taken away.
      partitions: {look.partitions}
"""
        if look
        else """\
      # partitions: 4   left out: those that the topic has. For a topic that `streamlake topics apply` is to make, one
      # worker process each: rather a few too many than too few, they can be added later, and never taken away.
"""
    )
    return f"""\
kafka:
  # Brokers to ask first: host:port, several with commas between. ${{NAME}} is from the environment.
  bootstrap_servers: {servers}
  # Hosts that run this file share the partitions, because they are in the same group: one of this pipeline's own.
  group_id: {quoted(places.group)}
  # The very first start begins with the oldest record that Kafka still has, or at latest, or at a timestamp
  # (2026-01-31T06:00:00Z). Later starts go on where the ledger ends, whatever stands here.
  start: earliest
  topics:
    - name: {name}
{partitions}      # Settings of the topic, retention.ms and others: what is left out is neither set nor compared.
      config: {{}}
{_connection(connection)}"""


def _connection(said: Mapping[str, object]) -> str:
    if "security" not in said:
        example = """\
  # A cluster that wants a sign-in: protocol, mechanism, username, password.
  # security: {protocol: SASL_SSL, mechanism: SCRAM-SHA-512, username: streamlake, password: "${KAFKA_PASSWORD}"}
"""
    else:
        example = "  # How to sign in; ${NAME} is from the environment, ${file:PATH} from a file.\n"
    lines: list[str] = []
    for section, values in said.items():
        assert isinstance(values, Mapping), "each was made of settings below it"
        lines.append(f"  {section}:\n")
        # JSON is YAML, and quotes what YAML would take for something else.
        lines += [f"    {name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items()]
    return example + "".join(lines)


_VALIDATORS = {
    "jsonschema": """\
# Checked before anything lands: a record that does not fit is refused, with its reason, and never stops the others.
# The schema is a draft of what some records have in common; `$comment` says of each field how sure it is. A model of
# your own knows better: {type: pydantic, model: "models:Order"} is the class Order of models.py beside this file.
validator:
  type: jsonschema
  schema: SCHEMA
""",
    "json": """\
# Checked before anything lands: a record that is no JSON is refused, with its reason, and never stops the others.
# Stricter: {type: jsonschema, schema: SCHEMA}, a file beside this one,
# or {type: pydantic, model: "models:Order"}, the class Order of models.py beside it.
validator:
  type: json
  # object refuses JSON that is none: a number, a text, an array.
  top_level: TOP_LEVEL
""",
    "none": """\
# Nothing is checked: each record lands as the bytes that it is. For JSON there are `json`, `jsonschema` and `pydantic`,
# for anything else a class of your own (`streamlake plugins` lists what is installed).
validator:
  type: none
""",
}


def _validator(chosen: Chosen, schema_file: str, *, looked: bool) -> str:
    top_level = "any" if looked else "object"  # who has looked chooses `json` for what is no object
    return _VALIDATORS[chosen].replace("SCHEMA", quoted(schema_file)).replace("TOP_LEVEL", top_level)


def _sink(places: Places, *, typed: bool) -> str:
    columns = "The fields of the schema as columns instead: typed." if typed else "The payload alone: value."
    return f"""\
sink:
  type: file
  # A folder of this pipeline's own, relative to this file or absolute, or gs://bucket/prefix. What has landed there
  # stays there: a new root is a new beginning.
  root: {quoted(places.root)}
  # Or jsonl: lines of JSON.
  format: parquet
  # The record as it was, byte for byte, beside its partition, offset, time, key and headers.
  # {columns}
  columns: envelope
  # Folders by the day on which records land; record_date goes by their own time.
  partition_by: ingestion_date

# A file is closed by whichever comes first. A minute is the longest that a record may be late, and fewer, larger files
# are better for readers.
batch: {{rows_max: 200000, bytes_max: 128MiB, seconds_max: 60s}}
"""


def _dead_letters(places: Places) -> str:
    return f"""\
dead_letters:
  # Copies of what was refused; `streamlake topics apply` makes it. The files below the root are the authority.
  topic:
    name: {quoted(places.dead)}
    # Few records, and whoever reads them wants them in order: one partition.
    partitions: 1
    config:
      # 14 days: a person has to have time to look, to mend, and to send again.
      retention.ms: 1209600000
      # Kafka's usual limit and room for the error headers: so a large broken record can still be copied whole.
      max.message.bytes: 1114112
  # Half of the last 1000 refused, or 500 in a row: then it is not a few broken records but a changed format, and the
  # partition stops until somebody has looked.
  breaker: {{ratio_max: 0.5, window_rows: 1000, consecutive_max: 500}}

# A tombstone carries nothing to land: counted and passed over, or refuse. Offsets that Kafka lost stop the partition;
# record writes them down and goes on. A larger value is refused.
policies: {{tombstone: skip, gap: stop, record_bytes_max: 1MiB}}
"""
