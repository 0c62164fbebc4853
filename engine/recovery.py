"""What a worker does before its first batch: check, claim, finish what the last owner left (DESIGN §5, 1 to 3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from streamlake.engine.codes.base import Code
from streamlake.engine.codes.kafka import BEYOND_THE_END, EXPIRED, GROUP_AHEAD, RECREATED
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
    still_live: Callable[[], None] = field(default=lambda: None)
    """Asked when the claim stands. Raises SupersededError where a new live generation goes on."""
    until: int | None = None
    """Of a bounded run: the first offset that is not its own."""
    group_may_hold: int = 0
    """How far the generation before this one came: its group offset is no reason to doubt this ledger."""


def recover(recovery: Recovery) -> tuple[Recovered, int]:
    """Take the partition over; where to go on, and how many claims before ours did nothing.

    Raises PositionLostError before anything is claimed when Kafka and the ledger do not fit together.
    """
    head, facts = fitting_head(recovery)
    failpoint("before_claim")
    recovered = recovery.sink.claim(head)
    recovery.still_live()
    failpoint("before_resend")
    if recovered.unsent:
        recovery.dead_letters.send(recovered.unsent)
    failpoint("after_resend")
    kept_from = facts.low if recovery.until is None else min(facts.low, recovery.until)
    if recovered.next < kept_from:
        recovery.sink.skip_to(kept_from, f"expired: Kafka's first offset was {facts.low} (policies.gap: record)")
        recovered = Recovered(kept_from, None, ())
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
    for refuse, code in REFUSALS.items():
        sentence = refuse(head, facts, recovery)
        if sentence:
            raise PositionLostError(f"{recovery.source}: {sentence}", code=code)
    return facts


def _another_topic(head: Head, facts: TopicFacts, recovery: Recovery) -> str | None:
    known = head.topic_id or recovery.topic_id
    if facts.topic_id == known:
        return None
    return (
        f"the topic was deleted and made anew: the ledger knows topic id {known}, the broker says {facts.topic_id}. "
        "Its offsets mean other records now. Stop the engine; `streamlake offsets reset --recreated` begins a new live "
        "generation for it; what landed stays readable and provable."
    )


def _beyond_the_end(head: Head, facts: TopicFacts, _: Recovery) -> str | None:
    if head.next <= facts.high:
        return None
    return (
        f"the ledger is at offset {head.next}, but the partition ends at {facts.high}: Kafka lost records that had "
        "been read (an unclean leader election), or this is another cluster. Nothing was claimed. "
        "`streamlake status` and `streamlake prove` show what has landed; if it was Kafka that lost them, stop the "
        "engine, and `streamlake offsets reset --to latest` begins a new live generation where the partition ends now."
    )


def _behind_the_group(head: Head, facts: TopicFacts, recovery: Recovery) -> str | None:
    # Before the first data entry the group may still hold what another tool committed long ago.
    landed = head.claims <= head.seq
    known = max(head.next, recovery.group_may_hold)
    if not landed or facts.group_offset is None or facts.group_offset <= known:
        return None
    return (
        f"Kafka's committed offset {facts.group_offset} is beyond the ledger's next {head.next}: this is another "
        "root than before, the ledger has lost its tail, or another tool moved the group's offset. "
        "`streamlake prove` tells whether the ledger is whole; if it is, stop the engine, and `streamlake offsets "
        f"reset --to {head.next} --topic {recovery.source.topic} --partitions {recovery.source.partition}` sets the "
        "group back."
    )


def _expired(head: Head, facts: TopicFacts, recovery: Recovery) -> str | None:
    over = recovery.until is not None and head.next >= recovery.until
    if head.next >= facts.low or recovery.gap == "record" or over:
        return None
    if recovery.until is not None:
        return (
            f"offsets [{head.next}, {min(facts.low, recovery.until)}) are gone from Kafka (retention or deletion). "
            "Read what the live run has landed of them (--source lake), or set policies.gap: record to leave them out "
            "as a gap"
        )
    return (
        f"offsets [{head.next}, {facts.low}) are gone from Kafka before they were landed (retention or deletion). "
        "Set policies.gap: record to write the loss down as a gap and go on, then send SIGHUP or restart; or stop the "
        "engine and write this one down by `streamlake offsets reset --to earliest`. Raise the topic's retention.ms."
    )


REFUSALS: Mapping[Callable[[Head, TopicFacts, Recovery], str | None], Code] = {
    _another_topic: RECREATED,
    _beyond_the_end: BEYOND_THE_END,
    _behind_the_group: GROUP_AHEAD,
    _expired: EXPIRED,
}
"""Why a partition is not taken, in the order in which it is looked at."""
