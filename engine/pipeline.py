"""The path of a batch, top to bottom: what happens to it in order, and after which step it is durable.

| step | call | durable after it |
|---|---|---|
| 1 | decide: policies, validator, breaker | nothing |
| 2 | stage | invisible files |
| 3 | **commit** | **the data and the dead letters, once** |
| 4 | publish | visible under the final names |
| 5 | send the dead letters | their copies in the dead-letter topic, at least once |
| 6 | report | (the supervisor commits the group's offset, a courtesy) |

A death before 3 leaves nothing but staged files, which the next claim collects. A death after 3 is finished by the
next claim, which repeats 4 and 5 (`engine/recovery.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import lt

from streamlake.engine.contracts import DeadLetterSender, PartitionSink
from streamlake.engine.entries import Entry
from streamlake.engine.errors import SourceError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.letters import dead_letters_of
from streamlake.engine.records import Batch, Refusal, Verdict


@dataclass(frozen=True, slots=True)
class Path:
    """The parts a batch meets on its way, each handed in."""

    decide: Callable[[Batch], Verdict]
    look: Callable[[int, Sequence[Refusal]], None]
    """The breaker: (messages in the batch, refusals); raises BreakerError before anything is staged."""
    sink: PartitionSink
    confirm_topic: Callable[[], None]
    """Returns when the broker, asked after this batch was read, still names the topic id of the ledger."""
    dead_letters: DeadLetterSender
    report: Callable[[Entry], None]
    now_ms: Callable[[], int]


def land(batch: Batch, expected: int, path: Path) -> Entry:
    """Land one batch that begins at the ledger's `next` (`expected`); the entry that now accounts for it.

    Raises what the parts raise; whatever it is, the worker ends, and the next claim finds a state it can finish.
    """
    check_order(batch, expected)

    # 1. Decide. Nothing is durable; a death here costs the work only.
    failpoint("before_validate")
    verdict = path.decide(batch)
    path.look(len(batch), verdict.refused)
    letters = dead_letters_of(batch, verdict, path.now_ms())

    # 2. Stage: durable, verified and invisible.
    failpoint("before_stage")
    record = path.sink.stage(batch, verdict, letters)
    failpoint("after_stage")

    # A topic that was deleted, made anew and refilled past our position is read on without an error: so the broker
    # is asked who the topic is after the batch's last poll and before the commit.
    path.confirm_topic()

    # 3. Commit: from here on the batch is landed, whatever dies.
    failpoint("before_commit")
    entry = path.sink.commit(record)
    failpoint("after_commit")

    # 4. Publish: readers see it. Nothing else is appended before this and 5 are through.
    failpoint("before_publish")
    path.sink.publish(record)
    failpoint("after_publish")

    # 5. Copy the dead letters out. The authority is the file in the entry; a copy may come twice.
    failpoint("before_dead_letters")
    if letters:
        path.dead_letters.send(letters)
    failpoint("after_dead_letters")

    # 6. Report how far we are.
    path.report(entry)
    failpoint("after_report")
    return entry


def check_order(batch: Batch, expected: int) -> None:
    """Refuse a batch that does not go on exactly where the ledger ends, or whose offsets do not ascend."""
    offsets = batch.offsets
    ascending = all(map(lt, offsets, islice(offsets, 1, None)))
    inside = not offsets or (batch.range.first <= offsets[0] and offsets[-1] < batch.range.next)
    if batch.range.first != expected or not ascending or not inside:
        raise SourceError(
            f"{batch.source}: the client delivered offsets out of order: a batch over {batch.range} with "
            f"{offsets[0] if offsets else 'no'}…{offsets[-1] if offsets else 'records'}, expected to begin at "
            f"{expected}. Nothing of it was landed; the worker starts again from the ledger."
        )
