"""The JSON of /status: written by the supervisor's endpoint, read by `streamlake status`."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from streamlake.engine.records import TopicPartition
from streamlake.engine.state import CommonRefusal, EngineState, PartitionState

_ENGINE = {field.name for field in fields(EngineState)} - {"timings", "turned_at", "silent_seconds_max", "reloading"}
_PARTITION = {field.name for field in fields(PartitionState)}
_COUNTS = ("restarts", "storage_waits", "refused_reasons", "last_commit_steps")


def state_to_json(state: EngineState) -> dict[str, Any]:
    """The state as plain JSON values; each partition with its topic, number and lag, and why it is not ready."""
    document = {name: getattr(state, name) for name in sorted(_ENGINE - {"partitions"})}
    document["said_at"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    document["not_ready_because"] = list(state.not_ready_because())
    document["partitions"] = [_partition_to_json(partition) for partition in state.partitions]
    return document


def state_from_json(document: Mapping[str, Any]) -> EngineState:
    """What `state_to_json` wrote, also by a newer version that says more. Raises ValueError for anything else."""
    try:
        known = {name: value for name, value in document.items() if name in _ENGINE}
        return EngineState(**{**known, "partitions": [_partition_from_json(one) for one in document["partitions"]]})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the state of an engine: {error}") from error


def _partition_to_json(partition: PartitionState) -> dict[str, Any]:
    place = {"topic": partition.source.topic, "partition": partition.source.partition}
    plain = {name: getattr(partition, name) for name in sorted(_PARTITION - {"source", "refused_most", *_COUNTS})}
    # The supervisor goes on meanwhile: the copy is one step, a walk through the dictionary would not be.
    counts = {name: dict(getattr(partition, name)) for name in _COUNTS}
    most = partition.refused_most
    return {**place, **plain, "lag": partition.lag, **counts, "refused_most": None if most is None else asdict(most)}


def _partition_from_json(document: Mapping[str, Any]) -> PartitionState:
    source = TopicPartition(document["topic"], document["partition"])
    known = {name: value for name, value in document.items() if name in _PARTITION}
    most = known.get("refused_most")
    if most is not None:
        known["refused_most"] = CommonRefusal(*(most[one.name] for one in fields(CommonRefusal)))
    return PartitionState(**{**known, "source": source})
