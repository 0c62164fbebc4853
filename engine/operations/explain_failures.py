"""What `streamlake explain` says of failures: what survives which of them, and what is left to a person."""

from collections.abc import Iterator

from streamlake.config.kinds import DURATION, shown_number
from streamlake.config.page import FIXED
from streamlake.engine.operations.explain_said import Sentence, Told

RESTARTS = ("workers.restarts_max", "workers.restart_window")


def failures(told: Told) -> Iterator[Sentence]:
    """Each kind of failure, and what becomes of the records."""
    workers = told.config.workers
    if told.value("sink.root").startswith("memory://"):
        yield told.say("The process ends: all that landed is gone, for the root is its memory.", "sink.root")
        return
    yield told.say(
        "kill -9, of a worker or of all, at any moment: nothing is lost and nothing comes twice. What was not "
        "committed is read again, what was committed is finished by the next worker.",
        "sink.root",
    )
    yield told.say(
        "A worker that dies is started again after 0.2s, then after twice as long each time, up to 15s. If it dies "
        f"more than {workers.restarts_max} times within {told.value('workers.restart_window')} and lands nothing in "
        "between, its partition is parked; what trying again can't mend parks it at once. The others go on.",
        *RESTARTS,
    )
    yield told.say(
        f"A worker that gives no sign of life for {told.value('workers.stuck_seconds')} is killed, and started again.",
        "workers.stuck_seconds",
    )
    yield from _host(told)
    yield told.say(
        "A broker restarts, or all are away: nothing is lost. Workers wait and try again; those that end for it are "
        "started again as after any death. An engine that is started meanwhile waits, too.",
        *("kafka.bootstrap_servers", *RESTARTS),
    )
    yield from _storage(told)
    yield from _retention(told)
    yield told.say(
        "A topic that is deleted and made anew, or from which Kafka loses records that had been read, parks its "
        "partitions: other records under old offsets never land as if they followed.",
        "kafka.topics",
    )


def _host(told: Told) -> Iterator[Sentence]:
    root = told.value("sink.root")
    if told.config.sink.type != "file":
        yield told.say("The host is lost: what landed is wherever the sink keeps it.", "sink.type")
    elif root.startswith("gs://"):
        lease = (
            "by the broker's time for consumer groups"
            if told.config.kafka.group_protocol == "consumer"
            else "45s after by default (session.timeout.ms of kafka.properties)"
        )
        yield told.say(
            f"The host is lost: what landed is in the bucket, and another engine of the group takes over, {lease}.",
            *("sink.root", "kafka.group_id", "kafka.group_protocol"),
        )
    else:
        yield told.say(
            "The power fails: what was committed is on the disk, and the next start goes on. The disk is lost: what "
            "landed is lost with it, but for what Kafka still has; a new root begins anew.",
            *("sink.root", "kafka.start"),
        )


def _storage(told: Told) -> Iterator[Sentence]:
    if told.config.sink.type == "file" and told.value("sink.root").startswith("gs://"):
        yield told.say(
            f"The bucket does not answer: it is waited for, {told.value('sink.gcs.retry_seconds_max')} in all for one "
            "batch; then the worker ends, and is started again as after any death. Nothing is lost.",
            *("sink.gcs.retry_seconds_max", *RESTARTS),
        )
    else:
        yield told.say(
            "The storage refuses, is full or away: the worker ends, and is started again as after any death. Nothing "
            "is lost, and a root that is not the one it was is never written to.",
            *("sink.root", *RESTARTS),
        )


def _retention(told: Told) -> Iterator[Sentence]:
    config = told.config
    kept = [
        (f"kafka.topics[{topic.name}].config.retention.ms", topic.name, topic.config["retention.ms"])
        for topic in config.kafka.topics
        if topic.config.get("retention.ms", "").isdigit()
    ]
    told_kept = ", ".join(f"{name} for {shown_number(int(value) / 1000, DURATION)}" for _, name, value in kept)
    known = (
        f"Kafka keeps {told_kept}"
        if kept
        else "How long Kafka keeps records is not in these files, but the cluster's to say"
    )
    if config.policies.gap == "stop":
        then = "the partition is parked, with the offsets that are lost"
    else:
        then = "the loss is written into the ledger as a gap, which `prove` tells, and the partition goes on"
    said = told.say(f"{known}. What it deletes before it has landed is lost: {then}.", "policies.gap")
    yield Sentence(said.text, {**said.settings, **{path: value for path, _, value in kept}})
    least = config.alarms.retention_seconds_left_min
    if least == 0:
        text = "Nothing warns of that: the alarm is off"
    elif config.metrics.listen is None:
        text = "Nothing warns of that but `streamlake status`, as `kept for`: /readyz is not served"
    else:
        text = f"/readyz warns of that when less than {told.value('alarms.retention_seconds_left_min')} is left"
    yield told.say(f"{text}.", "alarms.retention_seconds_left_min", "metrics.listen")


def what_to_do(told: Told) -> Iterator[Sentence]:
    """Each case that needs a person."""
    config = told.config
    yield told.say(
        f"A partition is parked: `streamlake status {config.files}` says why. Mend that, then send SIGHUP or start "
        "again; nothing is lost meanwhile, as long as Kafka keeps it.",
        *RESTARTS,
    )
    yield told.say(
        "Too many records are refused: the log's last words name the commonest reason. A changed format needs a new "
        "model or schema, a broken producer its owner, an honest burst higher limits; then SIGHUP.",
        *("validator.type", "dead_letters.breaker.ratio_max", "dead_letters.breaker.consecutive_max"),
    )
    if config.policies.gap == "stop":
        yield told.say(
            "Kafka has deleted what had not landed: set `policies.gap: record` to write the loss down and go on, and "
            "give the topic a longer retention.ms.",
            "policies.gap",
        )
    if config.dead_letters.topic is not None:
        yield told.say(
            f"There are dead letters: `streamlake dead stats {config.files}` counts them by rule, `dead redrive` sends "
            "them back when what refused them is mended. The dead-letter topic is missing: `streamlake topics apply`.",
            "dead_letters.topic.name",
        )
    yield told.say(
        f"You change these files: SIGHUP takes that over, unless it changes one of {', '.join(FIXED)}: then all of it "
        "is refused and the old settings stay, until a new start.",
        *("pipeline", "sink.root"),
    )
    yield told.say(
        "You stop it: SIGTERM lets each worker land what it has in hand, for "
        f"{told.value('workers.drain_seconds')} at most; then it is killed, which loses nothing either.",
        "workers.drain_seconds",
    )
    yield told.say(
        f"You want to know that all is there: `streamlake prove {config.files}` holds every offset to account, with "
        "--kafka against the topic itself.",
        "sink.root",
    )
    yield told.say(
        f"Jobs wait for whole hours: `streamlake complete {config.files}` marks an hour when what is "
        f"{told.value('completeness.lateness')} younger than its end has landed of every partition.",
        "completeness.lateness",
    )
    if config.quality is not None:
        yield Sentence(
            f"You want to know that it is good: `streamlake quality run {config.files}` makes "
            f"{len(config.quality.checks)} checks of what landed.",
            {"quality.checks": ", ".join(check.title for check in config.quality.checks)},
        )
