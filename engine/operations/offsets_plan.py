"""`offsets plan`: what a reset would do to each partition; writes nothing.

Forwards, offsets are given up. Backwards, the ledger that is there stays as it is, and a new live generation takes over
from the edge of a file on, so that each file is superseded whole or not at all.
"""

from collections.abc import Iterator, Mapping, Sequence

from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import Ledger
from streamlake.engine.counted import counted
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import SourceError, UsageError
from streamlake.engine.generations import Position, next_name, positions
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.operations.offsets_move import Partition
from streamlake.engine.operations.offsets_types import OffsetsCluster, PartitionMove, ResetPlan, ResetRequest
from streamlake.engine.operations.replay_name import refuse_foreign
from streamlake.engine.operations.replay_ranges import chosen_partitions, chosen_topics
from streamlake.engine.records import TopicPartition


def plan_reset(config: PipelineConfig, ledger: Ledger, cluster: OffsetsCluster, wanted: ResetRequest) -> ResetPlan:
    """What this reset would do, resolved now; reads only.

    Raises UsageError (the bound, topic or partitions can't be meant, or lie where Kafka has nothing any more),
    ForeignRootError (another pipeline's or cluster's ledger), ConfigError (no such topic there), LedgerDamagedError,
    and SourceError or StorageError where nobody answers.
    """
    lineage = Lineage(ledger)
    newest = live_run(lineage)
    topics, servers = config.kafka.topic_names, config.kafka.bootstrap_servers
    shapes = cluster.shapes(topics)
    every = chosen_partitions(shapes, topics, None, servers)
    refuse_foreign(config, [newest], cluster.cluster_id(), {})
    topic_ids = {topic: shape.topic_id for topic, shape in shapes.items()}
    at = positions(ledger, lineage.runs)
    made_anew = _made_anew(every, at, newest, topic_ids)
    chosen = _chosen_topics(config, wanted, made_anew)
    sources = chosen_partitions(shapes, chosen, wanted.partitions, servers)
    partitions = _partitions(lineage, cluster, config.kafka.group_id, wanted, sources, at)
    moves = [one.move(wanted.bound) for one in partitions]
    return ResetPlan(
        pipeline=config.pipeline,
        said=wanted.said,
        generation=newest.run,
        unfinished=bool(lineage.changing),
        topic_ids=topic_ids,
        moves=moves,
        remarks=[*_remarks(lineage, newest, wanted, moves), *_about_the_group(cluster, config.kafka.group_id)],
    )


def live_run(lineage: Lineage) -> RunIdentity:
    """The newest live generation. Raises UsageError where there is none."""
    if not lineage.generations:
        raise UsageError(
            "no run has landed anything under this root yet, so there is no position to move: `kafka.start` says "
            "where the first one begins"
        )
    return lineage.generations[-1]


def _made_anew(
    sources: Sequence[TopicPartition],
    at: Mapping[TopicPartition, Position],
    newest: RunIdentity,
    topic_ids: Mapping[str, str],
) -> Sequence[str]:
    """The topics whose id is not the one that the live run knows, ascending."""
    known = {topic: {newest.topic_ids[topic]} if topic in newest.topic_ids else set() for topic in topic_ids}
    for source in sources:
        if source in at:
            known[source.topic].add(at[source].topic_id or topic_ids[source.topic])
    return sorted(topic for topic, ids in known.items() if ids - {topic_ids[topic]})


def _chosen_topics(config: PipelineConfig, wanted: ResetRequest, made_anew: Sequence[str]) -> Sequence[str]:
    """The topics of a reset. Raises UsageError where some were made anew and that is not what is wanted, or not all."""
    chosen = chosen_topics(config, wanted.topic)
    names = ", ".join(made_anew)
    if not wanted.recreated:
        if made_anew:
            raise UsageError(
                f"{names}: the topic was deleted and made anew, its offsets mean other records now. Say `streamlake "
                "offsets reset --recreated` first, which goes on with the new one and leaves what landed as it is"
            )
        return chosen
    if wanted.partitions is not None:
        raise UsageError("--partitions: all partitions of a topic that was made anew are new; leave it out")
    if not made_anew:
        raise UsageError(
            f"--recreated: no topic was made anew, {', '.join(chosen)} still have the ids that the live run knows; "
            "leave it out to move its position"
        )
    if missing := [topic for topic in made_anew if topic not in chosen]:
        raise UsageError(f"--topic {wanted.topic}: {', '.join(missing)} was made anew, too; leave --topic out")
    return made_anew


def _partitions(
    lineage: Lineage,
    cluster: OffsetsCluster,
    group_id: str,
    wanted: ResetRequest,
    sources: Sequence[TopicPartition],
    at: Mapping[TopicPartition, Position],
) -> Sequence[Partition]:
    """What is known of each partition. The first and last offsets are asked for last, as for a replay."""
    bound = wanted.bound
    if bound.place == "offset" and wanted.partitions is None and len(sources) > 1:
        raise UsageError(
            f"--to {bound.said}: an offset means another record in each of the {len(sources)} partitions; name those "
            "that you mean by --topic and --partitions"
        )
    times = cluster.offsets_for_time(sources, bound.number) if bound.place == "time" else {}
    facts = cluster.facts(sources, group_id)
    for source in sources:
        if source not in facts or (bound.place == "time" and source not in times):
            raise SourceError(f"{source}: the cluster knew this partition a moment ago, and does not any more")
    return [
        Partition(lineage, source, facts[source], times.get(source), at.get(source), made_anew=wanted.recreated)
        for source in sources
    ]


def _remarks(
    lineage: Lineage, newest: RunIdentity, wanted: ResetRequest, moves: Sequence[PartitionMove]
) -> Iterator[str]:
    if lineage.changing:
        why = f"{newest.bounds or newest.adopts}: {newest.reason}"
        yield f"no engine has begun {newest.run} yet ({why}): what is left of the change to it is finished first"
    elif newest.bounds == wanted.said:
        yield f"the same words have begun {newest.run} at {newest.created_at} ({newest.reason}), it has landed since"
    for move in moves:
        yield from _about(move)
    backwards = [move for move in moves if move.way in ("backwards", "anew")]
    if backwards:
        yield f"{next_name(newest.run)} is a new live generation; the ledgers before it are closed for good"
    if refused := sum(move.affected.refused for move in backwards):
        yield f"{counted(refused, 'dead letter')} among them: those refused again are copied to their topic again"
    if all(move.way == "stays" and not move.group_differs for move in moves):
        yield "nothing to do: the live run and the group in Kafka are there already"


def _about(move: PartitionMove) -> Iterator[str]:
    if move.target < move.asked:
        yield f"{move.source}: {move.asked} lies inside of a file, rounded down to its edge {move.target}"
    if move.affected.expired:
        yield f"{move.source}: {move.affected.expired:,} of the offsets given up are gone from Kafka anyway"
    if move.way == "anew":
        yield f"{move.source}: what landed of the topic that is gone stays in raw/ and dead/, and provable"
    if move.way == "stays" and move.group_differs:
        yield (
            f"{move.source}: the live run is at {move.target} already; the group's offset in Kafka is "
            f"{move.group_offset}, and is set to that"
        )


def _about_the_group(cluster: OffsetsCluster, group_id: str) -> list[str]:
    members = who(cluster, group_id)
    return [f"the group {group_id} is active ({members}): a reset is refused until they have left"] if members else []


def who(cluster: OffsetsCluster, group_id: str) -> str:
    """The members of the group for a person; "" when it is empty."""
    return ", ".join(f"{member.client_id} on {member.host}" for member in cluster.members(group_id))
