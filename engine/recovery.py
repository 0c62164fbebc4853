"""What a worker does before its first batch: check, claim, finish what the last owner left (DESIGN §5, 1 to 3)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from streamlake.engine.contracts import DeadLetterSender, PartitionSink, TopicFacts
from streamlake.engine.entries import Head, Recovered
from streamlake.engine.errors import PositionLostError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.records import TopicPartition


@dataclass(frozen=True, slots=True)
class Recovery:
    """What recovery needs of the partition; `ask` gives fresh facts from the broker at each call."""

    source: TopicPartition
    topic_id: str
    sink: PartitionSink
    dead_letters: DeadLetterSender
    ask: Callable[[], TopicFacts]
    gap: Literal["stop", "record"]


def recover(recovery: Recovery) -> tuple[Recovered, int]:
    """Take the partition over; where to go on, and how many claims before ours did nothing.

    Raises PositionLostError before anything is claimed when Kafka and the ledger do not fit together.
    """
    head, facts = fitting_head(recovery)
    failpoint("before_claim")
    recovered = recovery.sink.claim(head)
    failpoint("before_resend")
    if recovered.unsent:
        recovery.dead_letters.send(recovered.unsent)
    failpoint("after_resend")
    if recovered.next < facts.low:
        recovery.sink.skip_to(facts.low, f"expired: Kafka's first offset was {facts.low} (policies.gap: record)")
        recovered = Recovered(facts.low, None, ())
    return recovered, head.claims


def fitting_head(recovery: Recovery) -> tuple[Head, TopicFacts]:
    """The ledger's head and what the broker says, which fit together.

    A refusal is believed only if the head has not moved meanwhile: an owner that is still at work commits between
    our two questions, and its own group offset then looks like one beyond the ledger.
    """
    head = recovery.sink.head()
    while True:
        try:
            return head, check(head, recovery)
        except PositionLostError:
            now = recovery.sink.head()
            if now.seq == head.seq:
                raise
            head = now


def check(head: Head, recovery: Recovery) -> TopicFacts:
    """Hold the ledger's head against what the broker says now; the facts if they fit. Reads only."""
    facts = recovery.ask()
    if head.next > facts.high:
        facts = recovery.ask()  # an end that is behind for a moment after a leader change is not believed at once
    for refuse in (_another_topic, _beyond_the_end, _behind_the_group, _expired):
        sentence = refuse(head, facts, recovery)
        if sentence:
            raise PositionLostError(f"{recovery.source}: {sentence}")
    return facts


def _another_topic(head: Head, facts: TopicFacts, recovery: Recovery) -> str | None:
    known = head.topic_id or recovery.topic_id
    if facts.topic_id == known:
        return None
    return (
        f"the topic was deleted and made anew: the ledger knows topic id {known}, the broker says {facts.topic_id}. "
        "Its offsets mean other records now. Land the new topic under another root (sink.root) or another pipeline "
        "name; the old root stays readable and provable."
    )


def _beyond_the_end(head: Head, facts: TopicFacts, _: Recovery) -> str | None:
    if head.next <= facts.high:
        return None
    return (
        f"the ledger is at offset {head.next}, but the partition ends at {facts.high}: Kafka lost records that had "
        "been read (an unclean leader election), or this is another cluster. Nothing was claimed. "
        "`streamlake status` and `streamlake prove` show what has landed."
    )


def _behind_the_group(head: Head, facts: TopicFacts, recovery: Recovery) -> str | None:
    # Before the first data entry the group may still hold what another tool committed long ago.
    landed = head.claims <= head.seq
    if not landed or facts.group_offset is None or facts.group_offset <= head.next:
        return None
    return (
        f"Kafka's committed offset {facts.group_offset} is beyond the ledger's next {head.next}: this is another "
        "root than before, the ledger has lost its tail, or another tool moved the group's offset. "
        "`streamlake prove` tells whether the ledger is whole; if it is, set the group back with "
        f"`kafka-consumer-groups.sh --reset-offsets --to-offset {head.next} --topic "
        f"{recovery.source.topic}:{recovery.source.partition} --execute` and send SIGHUP."
    )


def _expired(head: Head, facts: TopicFacts, recovery: Recovery) -> str | None:
    if head.next >= facts.low or recovery.gap == "record":
        return None
    return (
        f"offsets [{head.next}, {facts.low}) are gone from Kafka before they were landed (retention or deletion). "
        "Set policies.gap: record to write the loss down as a gap and go on, or raise the topic's retention.ms; "
        "then send SIGHUP or restart."
    )
