"""`replay promote`: a replay's rows become those that readers see for its range, as a new live generation (DESIGN §7).

Each step can be repeated after a kill (`generation_change.py`), and an engine that runs goes on as the new generation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from streamlake.config.model import PipelineConfig
from streamlake.engine.assembly import senders_of
from streamlake.engine.contracts import Ledger, Sink
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import UsageError
from streamlake.engine.generations import DELETED, next_name
from streamlake.engine.operations.bounded_run import progress_of, wanted
from streamlake.engine.operations.generation_change import begin, finish, run_keeper
from streamlake.engine.operations.ledger_search import first_seq_where, reaches
from streamlake.engine.operations.lineage import Lineage, Piece
from streamlake.engine.operations.live_partition import Fates, LivePartition
from streamlake.engine.operations.proof_types import Proof
from streamlake.engine.operations.prove import prove
from streamlake.engine.operations.replays import replay_named
from streamlake.engine.records import OffsetRange, TopicPartition


@dataclass(frozen=True, slots=True)
class PromotedPartition:
    """What changes for readers in one partition: what stood in the range, and what stands there from now on."""

    source: TopicPartition
    range: OffsetRange
    before: Fates
    after: Fates


@dataclass(frozen=True, slots=True)
class Promotion:
    """What promoting a replay does. `generation` is the live run that goes on then.

    `done_before`: all of it was done by an earlier call; `finishes`: an earlier call has begun it.
    """

    replay: str
    generation: str
    supersedes: str
    partitions: Sequence[PromotedPartition]
    done_before: bool = False
    finishes: bool = False


def plan_promotion(
    config: PipelineConfig, ledger: Ledger, name: str, topic_ids: Mapping[str, str] | None = None
) -> Promotion:
    """What promoting a replay would do; reads only. `topic_ids` are the broker's, where it could be asked.

    Raises UsageError where it may not be promoted: it is not finished, does not prove, does not cover whole files, or
    lies where the live run has not been.
    """
    lineage, replay = Lineage(ledger), replay_named(ledger, name)
    live = _live(config, lineage, replay)
    adopting = next((run for run in lineage.generations if run.adopts == name), None)
    if adopting is not None:
        finishes = bool(lineage.changing) and adopting.run == live.run
        return Promotion(name, adopting.run, "", (), done_before=not finishes, finishes=finishes)
    for topic, topic_id in replay.topic_ids.items():
        if (topic_ids or {}).get(topic, topic_id) != topic_id:
            raise UsageError(
                f"{name}: is of a topic {topic} that was deleted and made anew since (topic id {topic_id}, the broker "
                f"says {(topic_ids or {})[topic]}); `streamlake offsets reset --recreated` begins a live generation "
                "for the new one, and what landed of the old one stays as it is. Nothing was changed"
            )
    progress = progress_of(ledger, replay)
    if not progress.finished:
        raise UsageError(
            f"{name}: is not finished, {progress.accounted:,} of {progress.offsets:,} offsets are accounted for; "
            f"`streamlake replay run {config.files} --name {name}` goes on with it"
        )
    _refuse_unproven(name, prove(ledger, run=name))
    partitions = _partitions(lineage, replay)
    return Promotion(name, next_name(live.run), live.run, partitions)


def promote(config: PipelineConfig, sink: Sink, name: str, topic_ids: Mapping[str, str] | None = None) -> Promotion:
    """Promote a replay, or finish what an earlier call has begun. Raises as `plan_promotion`, and StorageError."""
    keeper, senders = run_keeper(sink, "promoting a replay"), senders_of(config)
    promotion = plan_promotion(config, sink.ledger(), name, topic_ids)
    if promotion.done_before:
        return promotion
    if not promotion.finishes:
        if finish(sink, senders):  # another change was begun and not finished: with it the picture is another one
            promotion = plan_promotion(config, sink.ledger(), name, topic_ids)
        lineage = Lineage(sink.ledger())
        live = lineage.generations[-1]
        if keeper.settle(name, promotion.generation) == DELETED:
            raise UsageError(f"{name}: is being deleted, nothing was changed for readers")
        standing = begin(
            keeper,
            RunIdentity(
                run=promotion.generation,
                pipeline=live.pipeline,
                group_id=live.group_id,
                cluster_id=live.cluster_id,
                topic_ids=live.topic_ids,
                starts={},
                created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                adopts=name,
                reason=f"replay {name} was promoted",
            ),
        )
        if standing.adopts != name:
            raise UsageError(f"{standing.run} was begun meanwhile ({standing.reason}): say the same command again")
    finish(sink, senders)
    return promotion


def _live(config: PipelineConfig, lineage: Lineage, replay: RunIdentity) -> RunIdentity:
    """The live run, which is of the same topics. Raises UsageError."""
    if not lineage.generations:
        raise UsageError("no live run has landed anything under this root: there is nothing to promote a replay into")
    live = lineage.generations[-1]
    for what, there, here in (
        ("pipeline", replay.pipeline, config.pipeline),
        ("cluster id", replay.cluster_id, live.cluster_id),
        *((f"topic id of {name}", one, live.topic_ids.get(name, one)) for name, one in replay.topic_ids.items()),
    ):
        if there != here:
            raise UsageError(f"{replay.run}: was made for {what} {there}; the live run is of {here}")
    return live


def _refuse_unproven(name: str, proof: Proof) -> None:
    if not proof.holds:
        first = proof.defects[0] if proof.defects else None
        told = f": {first.kind} {first.place()} {first.message}" if first else ""
        raise UsageError(
            f"{name}: does not prove{told}; `streamlake prove --run {name}` shows all. Nothing was changed"
        )


class _CutsFilesError(UsageError):
    """The replay begins or ends inside of files of a partition."""


def _partitions(lineage: Lineage, replay: RunIdentity) -> Sequence[PromotedPartition]:
    """All partitions of the replay. Raises UsageError, which tells of all that it does not cover wholly."""
    found: list[PromotedPartition] = []
    cut: list[str] = []
    for source in wanted(replay):
        try:
            found.append(_partition(lineage, replay, source))
        except _CutsFilesError as error:
            cut.append(str(error))
    if cut:
        raise UsageError(
            f"{replay.run}: a replay may take over whole files only. {'; '.join(cut)}. Replay these instead, one run "
            "for each partition (--topic, --partitions, --from, --to), or all of it (--from earliest)"
        )
    return found


def _partition(lineage: Lineage, replay: RunIdentity, source: TopicPartition) -> PromotedPartition:
    topic_id = replay.topic_ids[source.topic]
    span = OffsetRange(replay.starts[source], replay.ends[source])
    pieces = [piece for piece in lineage.pieces(source) if piece.topic_id in (None, topic_id)]
    live = LivePartition.of(lineage, source, topic_id)
    if live is None or sum(len(piece.range.overlap(span)) for piece in pieces) < len(span):
        there = "nothing" if live is None else f"{live.range}"
        raise UsageError(
            f"{source}: the replay is of {span}, and what readers see of the live run is {there}: a replay takes over "
            "what has landed, and nothing beside it. Replay a part of that, or let the live run come so far"
        )
    whole = _whole(lineage, pieces, source, span)
    if whole != span:
        raise _CutsFilesError(f"{source}: the replay is of {span}, whole files there are {whole}")
    heads = lineage.ledger.head(replay.run, source)
    assert heads.last is not None, "a finished run has entries"
    totals = heads.last.totals
    after = Fates(totals.landed, totals.refused, totals.skipped, totals.holes, totals.gaps, 0, totals.bytes)
    return PromotedPartition(source, span, live.fates(span), after)


def _whole(lineage: Lineage, pieces: Sequence[Piece], source: TopicPartition, span: OffsetRange) -> OffsetRange:
    """The smallest range of whole entries around `span`."""
    begins = _entry_cut_at(lineage, pieces, source, span.first)
    ends = _entry_cut_at(lineage, pieces, source, span.next)
    return OffsetRange(begins.first if begins else span.first, ends.next if ends else span.next)


def _entry_cut_at(lineage: Lineage, pieces: Sequence[Piece], source: TopicPartition, edge: int) -> OffsetRange | None:
    """The range of the entry that has `edge` in its middle; None where none has."""
    for piece in pieces:
        if piece.range.first < edge < piece.range.next:
            seq = first_seq_where(lineage.ledger, piece.run.run, source, reaches(edge))
            entry = next(iter(lineage.ledger.entries(piece.run.run, source, seq)))
            return entry.range if entry.first < edge else None
    return None
