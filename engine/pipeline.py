"""The path of a batch, top to bottom: what happens to it in order, and after which step it is durable.

| step | call | durable after it |
|---|---|---|
| 1 | decide, slice by slice: policies, validator, breaker | nothing |
| 2 | stage, slice by slice, and seal | invisible files |
| 3 | **commit** | **the data and the dead letters, once** |
| 4 | publish | visible under the final names |
| 5 | send the dead letters | their copies in the dead-letter topic, at least once |
| 6 | report | (the supervisor commits the group's offset, a courtesy) |

A slice is what one read brought, some hundred messages: it is decided and encoded while the processor still has it in
its cache, and only encoded rows wait for the rest of the batch. A death before 3 leaves nothing but staged files, which
the next claim collects. A death after 3 is finished by the next claim, which repeats 4 and 5 (`engine/recovery.py`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import lt

from streamlake.engine.contracts import DeadLetterSender, PartitionSink
from streamlake.engine.cutting import RangesLeft, cut_to
from streamlake.engine.entries import Entry
from streamlake.engine.errors import SourceError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.letters import dead_letters_of
from streamlake.engine.records import Batch, DeadLetter, Refusal, Verdict
from streamlake.engine.steps import Steps


@dataclass(frozen=True, slots=True)
class Report:
    """What is told of a batch that has landed: its entry, its dead letters, and the seconds of each step."""

    entry: Entry
    letters: Sequence[DeadLetter]
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Path:
    """The parts a batch meets on its way, each handed in."""

    decide: Callable[[Batch], Verdict]
    look: Callable[[Batch, Sequence[Refusal]], None]
    """The breaker: (a slice, its refusals); raises BreakerError before anything of these messages is staged."""
    sink: PartitionSink
    confirm_topic: Callable[[], None]
    """Returns when the broker, asked after this batch was read, still names the topic id of the ledger."""
    dead_letters: DeadLetterSender
    report: Callable[[Report], None]
    now_ms: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Landed:
    """The entry that accounts for a batch, and what was read and belongs to the next one: begin that with it."""

    entry: Entry
    rest: Batch | None


def land(slices: Iterable[Batch], expected: int, path: Path) -> Landed | None:
    """Land one batch that begins at the ledger's `next` (`expected`), as it is read; None for no slices.

    Raises what the parts raise; whatever it is, the worker ends, and the next claim finds a state it can finish.
    """
    letters: list[DeadLetter] = []
    steps = Steps()
    with path.sink.stage() as stage:
        next_offset, epoch, rest, ranges = expected, None, None, RangesLeft()
        for read in slices:
            steps.lap("fetch")
            check_order(read, next_offset)
            part, rest = cut_to(min(stage.fits(read), ranges.fits(read)), read, epoch)
            epoch = read.leader_epoch

            # 1. Decide. Nothing is durable; a death here costs the work only.
            failpoint("before_validate")
            verdict = path.decide(part)
            path.look(part, verdict.refused)
            refused = dead_letters_of(part, verdict, path.now_ms())
            steps.lap("validate")

            # 2. Stage: written and invisible; with the last slice durable and verified, too.
            failpoint("before_stage")
            stage.add(part, verdict, refused)
            letters += refused
            ranges.take(part, len(verdict.skipped))
            next_offset = part.range.next
            steps.lap("stage")
            if rest is not None:
                break
        if next_offset == expected:
            return None
        steps.lap("fetch")
        record = stage.seal()
    steps.lap("stage")
    failpoint("after_stage")

    # A topic that was deleted, made anew and refilled past our position is read on without an error: so the broker
    # is asked who the topic is after the batch's last poll and before the commit.
    path.confirm_topic()
    steps.lap("confirm")

    # 3. Commit: from here on the batch is landed, whatever dies.
    failpoint("before_commit")
    entry = path.sink.commit(record)
    failpoint("after_commit")
    steps.lap("commit")

    # 4. Publish: readers see it. Nothing else is appended before this and 5 are through.
    failpoint("before_publish")
    path.sink.publish(record)
    failpoint("after_publish")
    steps.lap("publish")

    # 5. Copy the dead letters out. The authority is the file in the entry; a copy may come twice.
    failpoint("before_dead_letters")
    if letters:
        path.dead_letters.send(letters)
        steps.lap("dead_letters")
    failpoint("after_dead_letters")

    # 6. Report how far we are.
    path.report(Report(entry, letters, steps.seconds))
    failpoint("after_report")
    return Landed(entry, rest)


def check_order(part: Batch, expected: int) -> None:
    """Refuse a slice that does not go on exactly where the one before ended, or whose offsets do not ascend."""
    offsets = part.offsets
    ascending = all(map(lt, offsets, islice(offsets, 1, None)))
    inside = not offsets or (part.range.first <= offsets[0] and offsets[-1] < part.range.next)
    if part.range.first != expected or not ascending or not inside:
        raise SourceError(
            f"{part.source}: the client delivered offsets out of order: a batch over {part.range} with "
            f"{offsets[0] if offsets else 'no'}…{offsets[-1] if offsets else 'records'}, expected to begin at "
            f"{expected}. Nothing of it was landed; the worker starts again from the ledger."
        )
