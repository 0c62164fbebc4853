"""From one live generation to the next, in steps that can each be repeated after a kill (DESIGN §7).

1. `_runs/live-N+1.json` says where each partition begins, and which replay it takes over: `begin`.
2. Each ledger of the generations before gets a `close` that is final, after which no entry is legal; and each of a
   backfill that lands what the new one lands itself.
3. What is superseded of their files moves to `superseded/<run>/`.
4. The files of the replay move into `raw/` and `dead/`.

`finish` does 2 to 4, and every `run` calls it first: nothing is landed by the new generation before all of it is done.
So a reader of files may for a moment miss rows, and never sees them twice.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

import structlog

from streamlake.engine.abilities import RunKeeper
from streamlake.engine.contracts import DeadLetterSender, PartitionJob, Sink
from streamlake.engine.entries import Entry, FileEntry, RunIdentity
from streamlake.engine.errors import ConfigError, FencedError, StorageError, SupersededError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.operations.ledger_search import first_seq_where, reaches
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.operations.spans import without
from streamlake.engine.records import TopicPartition

log = structlog.get_logger("streamlake.generations")

CLOSE_ATTEMPTS = 20
MOVED_AT_ONCE = 100

Senders = Callable[[str], DeadLetterSender]
"""Makes the sender of a run's dead letters."""


def run_keeper(sink: Sink, doing: str) -> RunKeeper:
    """The sink as one that keeps runs apart. Raises ConfigError where it is none."""
    if not hasattr(sink, "move"):
        raise ConfigError(
            f"sink.type: {type(sink).__name__} keeps one run only (it has no `move`, see `RunKeeper` in "
            f"streamlake.engine.abilities): {doing} needs a sink that keeps several apart, as the sink `file` does"
        )
    return sink  # type: ignore[return-value]  # told by what it has


def begin(sink: RunKeeper, identity: RunIdentity) -> RunIdentity:
    """Step 1: the run file of the new generation; the one that stands. Raises ForeignRootError, StorageError."""
    failpoint("before_generation")
    standing = sink.register_run(identity)
    failpoint("after_generation")
    return standing


def finish(sink: Sink, senders: Senders) -> bool:
    """Steps 2 to 4 of the newest generation, where they are not done yet; whether there was anything to do.

    Raises StorageError, LedgerDamagedError, DeadLetterError; called again it goes on.
    """
    lineage = Lineage(sink.ledger())
    if not lineage.changing:
        return False
    keeper = run_keeper(sink, "a new live generation")
    *before, newest = lineage.generations
    log.info("a change of generation is finished", run=newest.run)
    for run in [*before, *filter(lineage.overtaken, lineage.backfills)]:
        close_for_good(keeper, lineage, run, senders)
    lineage = Lineage(sink.ledger())
    for run in [*lineage.backfills, *before, *lineage.adopted_before(newest)]:
        _move(keeper, lineage, run)
    for run in lineage.runs:
        if run.run == newest.adopts:
            _move(keeper, lineage, run)
    return True


def close_for_good(keeper: RunKeeper, lineage: Lineage, run: RunIdentity, senders: Senders) -> None:
    """Close each ledger of a run for good, and finish what its last owner left."""
    sender = senders(run.run)
    try:
        for source in lineage.ledger.partitions(run.run):
            for attempts_left in reversed(range(CLOSE_ATTEMPTS)):
                try:
                    if not _close_one(keeper, lineage, run, source, sender):
                        break
                except SupersededError:  # closed by another one that does the same, between our look and our claim
                    break
                except FencedError:  # by an engine that does not know yet
                    if not attempts_left:
                        raise StorageError(
                            f"{source}: an engine of {run.run} takes the partition again and again: stop it, then "
                            "say the same command again"
                        ) from None
    finally:
        sender.close()


def _close_one(
    keeper: RunKeeper, lineage: Lineage, run: RunIdentity, source: TopicPartition, sender: DeadLetterSender
) -> bool:
    """One more try to close a ledger; False when it is closed."""
    head = lineage.ledger.head(run.run, source)
    if head.final:
        return False
    last = head.last
    assert last is not None, "a partition that has a ledger has an entry"
    job = PartitionJob(
        run=run.run,
        source=source,
        topic_id=last.topic_id,
        start=head.next,
        validator=last.validator,
        fingerprint=last.fingerprint,
        payload="bytes",
        output=run.output,
    )
    end = keeper.partition(job)
    recovered = end.claim(head)
    if recovered.unsent:
        sender.send(recovered.unsent)
    failpoint("before_final_close")
    end.close(final=True)  # type: ignore[call-arg]  # of a RunKeeper's
    failpoint("after_final_close")
    return True


def _move(keeper: RunKeeper, lineage: Lineage, run: RunIdentity) -> None:
    """Move the files of a run that do not lie where they should by now."""
    for source in lineage.ledger.partitions(run.run):
        moves, gone = _moves(lineage, run, source), list[FileEntry]()
        while files := list(islice(moves, MOVED_AT_ONCE)):
            failpoint("before_move")
            gone += [file for file, moved in zip(files, keeper.move(files), strict=True) if not moved]
            failpoint("after_move")
        if gone:
            example = gone[0].staged
            where = str(source)
            log.warning(
                "files are gone and were not moved", partition=where, run=run.run, files=len(gone), example=example
            )


def _moves(lineage: Lineage, run: RunIdentity, source: TopicPartition) -> Iterator[FileEntry]:
    """The files of a partition that have another name by now, from the one before to that."""
    for entry in _entries(lineage, run, source):
        placed = lineage.placed(run, entry)
        for file, own in zip(placed.files, entry.files, strict=True):
            if file.final != own.final:
                names = lineage.names(run, own)
                yield replace(file, staged=names[names.index(file.final) - 1])


def _entries(lineage: Lineage, run: RunIdentity, source: TopicPartition) -> Iterator[Entry]:
    """Of a part that the newest generation supersedes its entries alone; of a replay that it takes over all.

    What generations before it have superseded was moved before it began.
    """
    ledger, newest = lineage.ledger, lineage.generations[-1]
    if run.run == newest.adopts:
        yield from ledger.entries(run.run, source)
        return
    earlier = Lineage(ledger, [one for one in lineage.runs if one.run != newest.run])
    spans = without(lineage.superseded(run.run, source), earlier.superseded(run.run, source))
    seq = 0
    for first, following in spans:
        seq = max(seq, first_seq_where(ledger, run.run, source, reaches(first)))
        for entry in ledger.entries(run.run, source, seq):
            if entry.first >= following:
                break
            seq = entry.seq + 1
            yield entry
