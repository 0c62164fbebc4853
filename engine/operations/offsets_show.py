"""`offsets show`: where each partition is, by the ledger, by the consumer group and by Kafka, side by side."""

from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import Ledger
from streamlake.engine.generations import newest_generation, positions
from streamlake.engine.operations.offsets_types import OffsetsCluster, OffsetsShown, PartitionOffsets
from streamlake.engine.operations.replay_ranges import chosen_partitions


def offsets_of(config: PipelineConfig, ledger: Ledger, cluster: OffsetsCluster) -> OffsetsShown:
    """Where each partition of the pipeline is; reads only.

    Raises ConfigError (no such topic), LedgerDamagedError, SourceError and StorageError where nobody answers.
    """
    topics = config.kafka.topic_names
    shapes = cluster.shapes(topics)
    sources = chosen_partitions(shapes, topics, None, config.kafka.bootstrap_servers)
    runs = ledger.runs()
    newest = newest_generation(runs)
    at = positions(ledger, runs)
    facts = cluster.facts(sources, config.kafka.group_id)
    found = []
    for source in sources:
        if source not in facts:
            continue
        here, fact = at.get(source), facts[source]
        found.append(
            PartitionOffsets(
                source=source,
                generation=newest.run if newest else None,
                next=here.next if here else None,
                group_offset=fact.group_offset,
                low=fact.low,
                high=fact.high,
                topic_id=fact.topic_id,
                landed_topic_id=here.topic_id if here else None,
            )
        )
    remarks = [remark for one in found if (remark := _remark(one))]
    if newest is None:
        remarks.append("no run has landed anything here yet: `kafka.start` says where the first one begins")
    return OffsetsShown(config.pipeline, config.kafka.group_id, newest.run if newest else None, found, remarks)


def _remark(one: PartitionOffsets) -> str | None:
    """What does not fit together, and the command that mends it."""
    if one.made_anew:
        return (
            f"{one.source}: the topic was deleted and made anew, what landed is of topic id {one.landed_topic_id}: "
            "`streamlake offsets reset --recreated` goes on with the new one"
        )
    if one.next is None:
        return None
    if one.next < one.low:
        return (
            f"{one.source}: offsets [{one.next}, {one.low}) are gone from Kafka before they were landed: "
            "`streamlake offsets reset --to earliest` writes them down as a gap, as policies.gap: record does"
        )
    if one.next > one.high:
        return (
            f"{one.source}: the ledger is at {one.next}, past the end at {one.high}: Kafka has lost records that had "
            "been read, or this is another cluster"
        )
    if one.group_offset is not None and one.group_offset > one.next:
        return (
            f"{one.source}: the group has offset {one.group_offset} in Kafka, beyond the ledger's {one.next}: "
            f"`streamlake offsets reset --to {one.next}` sets the group to the ledger's, which decides"
        )
    return None
