"""Codes SL03..: the cluster, its topics and the consumer group."""

from streamlake.engine.codes.base import Code

TITLE = "Kafka"
WHO = "whoever runs Kafka, or gives rights there"

NOT_GIVEN = Code(
    "SL0301",
    "Kafka does not do what was asked",
    "A broker answered with an error that has no code of its own here. The message has Kafka's word for it.",
    "Look that word up in Kafka's documentation. The engine tries again by itself, with a growing wait.",
)
UNREACHABLE = Code(
    "SL0302",
    "no broker answers",
    "Nothing listens at `kafka.bootstrap_servers`, the network is cut, or the brokers are too slow.",
    "Check the address and the brokers. An engine waits and goes on by itself, `streamlake run` also at its start; a "
    "command that asks something ends with exit code 1. Nothing is lost as long as Kafka keeps it.",
)
SIGN_IN = Code(
    "SL0303",
    "Kafka refuses the sign-in",
    "User name, password, mechanism or token is not one that the brokers know.",
    "Check `kafka.security` (protocol, mechanism, username, password), then start again.",
)
TLS = Code(
    "SL0304",
    "TLS with Kafka fails",
    "The broker's certificate is not signed by the authority that is trusted, is expired or is of another host; or it "
    "does not take ours; or one of the two sides speaks no TLS.",
    "Check `kafka.security` (protocol, ca, certificate, key) and the port.",
)
FORBIDDEN = Code(
    "SL0305",
    "Kafka refuses a right",
    "The user is known and has no right (ACL) to what was asked, on a topic, the group or the cluster.",
    "Give the right that the message names: READ and DESCRIBE on topics and on the group to read, WRITE and DESCRIBE "
    "on the dead-letter topic.",
)
UNKNOWN_TOPIC = Code(
    "SL0306",
    "Kafka does not know the topic",
    "The topic, or one of its partitions, does not exist or may not be seen.",
    "`streamlake topics diff PIPELINE.yaml` shows what differs; `streamlake topics apply` makes what is missing.",
)
EXPIRED = Code(
    "SL0307",
    "offsets expired before they landed",
    "Kafka has deleted (retention) what comes next. The partition is parked: the loss is never passed over in silence.",
    "`policies.gap: record` and SIGHUP write the loss down as a gap and go on; or `streamlake offsets reset --to "
    "earliest` with a reason, with the engine stopped. Raise `retention.ms` of the topic.",
)
RECREATED = Code(
    "SL0308",
    "the topic was deleted and made anew",
    "Its id is not the one that the ledger knows, so its offsets mean other records now. Nothing of the new one was "
    "landed.",
    "Stop the engine; `streamlake offsets reset --recreated` begins a new live generation. What landed stays readable.",
)
BEYOND_THE_END = Code(
    "SL0309",
    "the ledger is beyond the partition's end",
    "Kafka has lost records that had been read (an unclean leader election), or this is another cluster.",
    "`streamlake status` and `streamlake prove` show what has landed. If Kafka lost records: stop the engine, then "
    "`streamlake offsets reset --to latest`.",
)
GROUP_AHEAD = Code(
    "SL0310",
    "the group's offset is beyond the ledger",
    "Another tool moved the group, this is another root than before, or the ledger has lost its tail.",
    "`streamlake prove` tells whether the ledger is whole. If it is: `streamlake offsets reset` as the message says "
    "sets the group back.",
)
POSITION_GONE = Code(
    "SL0311",
    "a position is not there any more",
    "Kafka does not have the offset that is to be read next: deleted while it was read, or truncated.",
    "`streamlake offsets show` holds ledger and Kafka side by side; then act as for SL0307 or SL0309.",
)
DEAD_LETTERS = Code(
    "SL0321",
    "a dead letter could not be sent",
    "The dead-letter topic did not take a refused record, so the partition stops rather than lose it. It is in the "
    "dead-letter file already.",
    "Mend what the message says of the topic. The next worker sends all of them again.",
)
NO_DEAD_LETTER_TOPIC = Code(
    "SL0322",
    "the dead-letter topic does not exist",
    "`dead_letters.topic` names a topic that the cluster does not have.",
    "`streamlake topics apply PIPELINE.yaml` makes it.",
)
DEAD_LETTER_TOO_LARGE = Code(
    "SL0323",
    "a dead letter is too large for its topic",
    "Even without its value, headers and key it passes `max.message.bytes` of the dead-letter topic.",
    "Raise `max.message.bytes` of that topic (1048588 is Kafka's default).",
)
DEAD_LETTER_UNKNOWN = Code(
    "SL0324",
    "it is not known whether dead letters arrived",
    "No broker confirmed or refused them in time.",
    "Nothing: the next worker sends them again, at least once is what the topic promises.",
)
DEAD_LETTER_SETTINGS = Code(
    "SL0325",
    "the dead-letter topic's settings can't be read",
    "The user has no DESCRIBE_CONFIGS there, so Kafka's default of `max.message.bytes` is taken.",
    "Nothing, or give that right.",
    event="the dead-letter topic's settings can't be read",
)
LOST = Code(
    "SL0331",
    "the group gave our partitions away",
    "This engine was silent for longer than `session.timeout.ms`: its host slept or stalled, or the network was cut. "
    "Its workers are ended at once; what they had not committed is read again by the new owner.",
    "Nothing, if it is rare. Else look for a host that is short of CPU or memory.",
    event="lost",
)
GROUP = Code(
    "SL0332",
    "the group's member reports an error",
    "librdkafka tells an error of the consumer group's connection; the field `error` has its words.",
    "Nothing, if it goes by; else check the brokers and the right on `kafka.group_id`.",
    event="group",
)
NOT_COMMITTED = Code(
    "SL0333",
    "the group's offset was not committed",
    "Kafka did not take the position that monitors of lag look at. What has landed does not depend on it: the ledger "
    "decides.",
    "Nothing, if it goes by; else check the brokers and the right on `kafka.group_id`.",
    event="group offset not committed",
)
NOT_CONFIRMED = Code(
    "SL0334",
    "the group's coordinator does not confirm us",
    "A worker was fenced, and the coordinator does not say that the partition is still ours: it is started when it "
    "does.",
    "Nothing, if another engine owns the partition now; else check the brokers.",
    event="the group's coordinator does not confirm us",
)
COORDINATOR_SILENT = Code(
    "SL0335",
    "the group's coordinator does not answer",
    "A commit, a question or leaving the group took longer than is waited for; the field `so` says what follows.",
    "Check the brokers. Others get the partitions when our session is over.",
    event="the group's coordinator does not answer",
)
BROKER = Code(
    "SL0336",
    "the broker does not answer a worker's question",
    "The supervisor asks for ends, topic ids and retention on its workers' behalf, and got an error; it asks again.",
    "Check the brokers if it stays: a worker commits nothing before it knows that the topic is still the same.",
    event="broker",
)
BROKER_AWAY = Code(
    "SL0337",
    "the broker does not answer",
    "The engine asks every few seconds for each partition's end, and has got no answer for some seconds, of the "
    "partitions that the line names (none: it is starting). The field `why` says what the question ended in.",
    "Check the brokers, the network and `kafka.bootstrap_servers`. The engine waits, is not ready meanwhile, and goes "
    "on by itself; nothing is lost as long as Kafka keeps it.",
    event="the broker does not answer",
)
TOPIC_GONE = Code(
    "SL0338",
    "the topic is gone",
    "The brokers answer, and have had no such topic for some seconds: it was deleted while the engine read it. What "
    "landed stays; what had not landed is lost with the topic. Other topics go on.",
    "If that was meant, take it out of `kafka.topics`. Else make it anew (`streamlake topics apply`), stop the engine, "
    "and begin a new live generation: `streamlake offsets reset --recreated`.",
    event="the topic is gone",
)
