"""Codes SL01..: the YAML, its variables and what it names."""

from streamlake.engine.codes.base import Code

TITLE = "Configuration"
WHO = "whoever wrote the pipeline"

BAD = Code(
    "SL0101",
    "the configuration can't be used",
    "A setting, a variable, a plugin's option or a model is missing, misspelt or beyond its limit. Nothing was "
    "claimed or written.",
    "Each line of the message names a setting and what it may be. `streamlake validate PIPELINE.yaml` says all of "
    "them.",
)
NO_TOPIC = Code(
    "SL0102",
    "a topic of the YAML does not exist",
    "`kafka.topics` names a topic that the cluster does not have, or that this user may not see.",
    "`streamlake topics apply PIPELINE.yaml` makes it; else mend the name, `kafka.bootstrap_servers` or the user's "
    "rights.",
)
CLIENT_PROPERTY = Code(
    "SL0103",
    "librdkafka refuses a property",
    "A name or value under `kafka.properties`, or what `kafka.security` becomes, is not one that librdkafka takes.",
    "Mend the property that the message names; librdkafka's own list of them is its CONFIGURATION.md.",
)
CANT_LISTEN = Code(
    "SL0104",
    "the address can't be listened on",
    "`metrics.listen` or `http.listen` names an address that is not this host's, a port that needs more rights, or, "
    "for `http.listen`, one that is taken.",
    "Name an address of this host and a free port above 1023; `ss -ltnp` shows who has a port.",
)
NOT_RELOADED = Code(
    "SL0105",
    "the YAML was not taken over",
    "SIGHUP was sent, and the YAML can't be used as it is now, its validator or model can't be made, or it changes "
    "what is fixed while an engine runs (pipeline, kafka, sink, metrics, python_path). Each of `problems` has file, "
    "line and cause. All goes on as before; only a worker that starts meanwhile, after a death or a rebalance, imports "
    "the model as it is now.",
    "Mend the YAML or the model and send SIGHUP again; for what is fixed, stop the engine and start it.",
    event="the YAML was not taken over, the old one stays",
)
ROOT_IS_NEW = Code(
    "SL0106",
    "the root is new, and the group is not",
    "The consumer group has committed offsets in Kafka beyond where this empty root begins: its disk may not be "
    "mounted, or `sink.root` may be misspelt.",
    "Is it meant to be new, nothing is to be done: what landed elsewhere lands here, too. Else stop the engine, mount "
    "the disk or mend `sink.root`, and remove what was begun.",
    event="this root is new, and the group has come further in Kafka than the root begins",
)
NO_DEAD_LETTER_TOPIC_YET = Code(
    "SL0107",
    "the dead-letter topic does not exist at the start",
    "`dead_letters.topic` names a topic that the cluster does not have. What is accepted lands; the first record that "
    "is refused stops its partition, since its copy can't be sent.",
    "`streamlake topics apply PIPELINE.yaml` makes it, also while the engine runs; else mend the name.",
    event="the dead-letter topic does not exist, and the first refused record will stop its partition",
)
