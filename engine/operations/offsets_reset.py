"""`offsets reset`: moves the position of the live run, in steps that the same command finishes after a kill.

1. Nobody may be at work: the consumer group has to be empty.
2. A change that was begun before is finished. If it was begun with the same words, that is all; else a plan is made.
3. Forwards: a `gap` entry with the operator's reason in the ledger that is there.
4. Backwards, or onto a topic made anew: a new live generation (`generation_change.py`).
5. The group's committed offsets in Kafka follow, so that lag monitors do.

An engine that starts meanwhile is fenced by the new generation, and goes on as that by itself.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from streamlake.config.model import PipelineConfig
from streamlake.engine.abilities import RunKeeper
from streamlake.engine.assembly import senders_of
from streamlake.engine.contracts import PartitionJob
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import FencedError, GroupActiveError, StorageError, SupersededError, UsageError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.generations import next_name, positions
from streamlake.engine.operations.generation_change import Senders, begin, finish, run_keeper
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.operations.offsets_plan import live_run, plan_reset, who
from streamlake.engine.operations.offsets_types import (
    OffsetsCluster,
    PartitionMove,
    ResetOutcome,
    ResetPlan,
    ResetRequest,
)
from streamlake.engine.operations.replay_name import refuse_foreign
from streamlake.engine.operations.replay_ranges import chosen_partitions, chosen_topics
from streamlake.engine.records import TopicPartition
from streamlake.engine.registry import add_python_path
from streamlake.engine.worker_main import make_sink, make_validator

REASON_LETTERS_MAX = 500


def reset_offsets(
    config: PipelineConfig,
    cluster: OffsetsCluster,
    wanted: ResetRequest,
    reason: str,
    *,
    agree: Callable[[ResetPlan], None] = lambda _plan: None,
) -> ResetOutcome:
    """Move the live run's position, and the group's in Kafka with it.

    `agree` is shown the plan before anything is written, and raises what it likes to stop it. Raises what `plan_reset`
    raises, UsageError for a reason that says nothing, GroupActiveError while the group has members, and StorageError,
    LedgerDamagedError or DeadLetterError on the way: called again with the same words it goes on.
    """
    reason = _checked(reason)
    add_python_path(config.python_path)
    sink = make_sink(config)
    keeper = run_keeper(sink, "moving the position")
    senders = senders_of(config)
    # 1. Nobody is at work.
    _refuse_active(cluster, config.kafka.group_id)
    # 2. What was begun before.
    before = Lineage(sink.ledger())
    newest = live_run(before)
    refuse_foreign(config, [newest], cluster.cluster_id(), {})
    plan = None
    if before.changing and (newest.bounds, newest.reason) == (wanted.said, reason):
        finish(sink, senders)
    else:
        plan = plan_reset(config, sink.ledger(), cluster, wanted)
        if plan.nothing_to_do:
            finish(sink, senders)
            return ResetOutcome(newest.run, plan, {})
        agree(plan)
        _refuse_active(cluster, config.kafka.group_id)
        finish(sink, senders)
        _move(config, keeper, newest, plan, reason, senders)
    # 5. Kafka's group follows.
    offsets = _differing(config, keeper, cluster, wanted)
    failpoint("before_group_offsets")
    followed = not who(cluster, config.kafka.group_id) and cluster.set_group_offsets(config.kafka.group_id, offsets)
    failpoint("after_group_offsets")
    return ResetOutcome(
        generation=live_run(Lineage(sink.ledger())).run,
        plan=plan,
        group_offsets=offsets if followed else {},
        group_left_alone=not followed,
    )


def _checked(reason: str) -> str:
    text = " ".join(reason.split())
    if not text:
        raise UsageError("--reason: say why the position is moved; it is written into the ledger, and read years later")
    if len(text) > REASON_LETTERS_MAX:
        raise UsageError(f"--reason: {len(text)} letters, up to {REASON_LETTERS_MAX} are kept; say it shorter")
    return text


def _refuse_active(cluster: OffsetsCluster, group_id: str) -> None:
    if members := who(cluster, group_id):
        raise GroupActiveError(
            f"the group {group_id} is active: {members}. Stop the engine on each of these hosts, then say this again "
            "(one that was killed leaves after its session.timeout.ms, 45 s by default). Nothing was changed"
        )


def _move(
    config: PipelineConfig,
    keeper: RunKeeper,
    newest: RunIdentity,
    plan: ResetPlan,
    reason: str,
    senders: Senders,
) -> None:
    """Do what the plan says to ledgers; `newest` is the live run that it was made for."""
    # 3. Forwards.
    for move in plan.forwards:
        _give_up(config, keeper, newest, move, reason, senders)
    # 4. Backwards.
    if plan.backwards:
        ours = RunIdentity(
            run=next_name(newest.run),
            pipeline=config.pipeline,
            group_id=config.kafka.group_id,
            cluster_id=newest.cluster_id,
            topic_ids={**newest.topic_ids, **plan.topic_ids},
            starts={move.source: move.target for move in plan.backwards},
            created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            bounds=plan.said,
            reason=reason,
        )
        standing = begin(keeper, ours)
        if (standing.starts, standing.bounds, standing.reason) != (ours.starts, ours.bounds, ours.reason):
            raise StorageError(
                f"somebody else has begun {standing.run} meanwhile ({standing.bounds or standing.adopts}: "
                f"{standing.reason}): look at `streamlake offsets show`, then say this again if it is still wanted"
            )
        finish(keeper, senders)


def _give_up(
    config: PipelineConfig, keeper: RunKeeper, newest: RunIdentity, move: PartitionMove, reason: str, senders: Senders
) -> None:
    """Write the gap, as the next owner of the partition; finish what the last one has left."""
    end = keeper.partition(_job(config, keeper, newest, move))
    try:
        recovered = end.claim(end.head())
        _refuse_superseded(keeper, newest)
        if recovered.unsent:
            sender = senders(newest.run)
            try:
                sender.send(recovered.unsent)
            finally:
                sender.close()
        failpoint("before_gap")
        if recovered.next < move.target:
            end.skip_to(move.target, reason)
        failpoint("after_gap")
        end.close()
    except FencedError:
        raise GroupActiveError(
            f"{move.source}: an engine has taken the partition meanwhile: stop it, then say this again"
        ) from None


def _refuse_superseded(keeper: RunKeeper, newest: RunIdentity) -> None:
    """Asked behind our claim, whoever makes a new generation closes ledgers behind its run file: one sees the other."""
    if keeper.find_run(next_name(newest.run)) is not None:
        raise SupersededError(
            f"somebody else has begun {next_name(newest.run)} meanwhile, in place of {newest.run}: nothing was given "
            "up; look at `streamlake offsets show`, then say this again if it is still wanted"
        )


def _job(config: PipelineConfig, keeper: RunKeeper, newest: RunIdentity, move: PartitionMove) -> PartitionJob:
    """As the last owner had it; of a partition without one, as the next one will."""
    ledger, source = keeper.ledger(), move.source
    last = ledger.head(newest.run, source).last if source in ledger.partitions(newest.run) else None
    validator = make_validator(config) if last is None else None
    return PartitionJob(
        run=newest.run,
        source=source,
        topic_id=move.topic_id,
        start=move.target if move.position is None else move.position,
        validator=last.validator if last else config.validator.type,
        fingerprint=validator.fingerprint if validator else last.fingerprint if last else "",
        payload=validator.payload if validator else "bytes",
        output=newest.output,
    )


def _differing(
    config: PipelineConfig, keeper: RunKeeper, cluster: OffsetsCluster, wanted: ResetRequest
) -> Mapping[TopicPartition, int]:
    """Where the live run is in those of the partitions that were meant in which Kafka's group is elsewhere."""
    ledger, topics = keeper.ledger(), chosen_topics(config, wanted.topic)
    at = positions(ledger, ledger.runs())
    meant = chosen_partitions(cluster.shapes(topics), topics, wanted.partitions, config.kafka.bootstrap_servers)
    facts = cluster.facts([source for source in meant if source in at], config.kafka.group_id)
    return {source: at[source].next for source, fact in facts.items() if fact.group_offset != at[source].next}
