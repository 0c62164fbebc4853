"""Whose root it is: what `streamlake validate` says before `run` would refuse the root of another pipeline."""

from collections.abc import Iterator, Mapping, Sequence

from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import Sink
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import LedgerDamagedError, StreamLakeError
from streamlake.engine.generations import newest_generation
from streamlake.engine.operations.replay_name import differences


def root_problems(
    config: PipelineConfig, sink: Sink, cluster_id: str | None, topic_ids: Mapping[str, str]
) -> Sequence[str]:
    """A sentence where the root's runs are not of this pipeline, group, cluster and topics. Reads only.

    What the broker has not said, None or left out, is not compared; what the storage does not answer was said already.
    """
    try:
        runs = sink.ledger().runs()
    except LedgerDamagedError as error:
        return [f"sink.root: {error}"]
    except StreamLakeError:
        return []
    live = newest_generation(runs)
    # Before there is a live run only the name tells: a backfill may have come from another group or cluster.
    return list(_live_problems(config, live, cluster_id, topic_ids) if live else _other_problems(config, runs))


def _live_problems(
    config: PipelineConfig, live: RunIdentity, cluster_id: str | None, topic_ids: Mapping[str, str]
) -> Iterator[str]:
    here = live.cluster_id if cluster_id is None else cluster_id
    known = {topic: topic_id for topic, topic_id in topic_ids.items() if topic in live.topic_ids}
    found = differences(config, live, here, known)
    # `run` says first that a topic is missing.
    there = set(config.kafka.topic_names) & (topic_ids.keys() if cluster_id else set(config.kafka.topic_names))
    if there and not there & live.topic_ids.keys():
        found.append(f"topics {', '.join(sorted(live.topic_ids))} there, {', '.join(config.kafka.topic_names)} here")
    if live.pipeline != config.pipeline:
        yield _stranger(config, live, found)
    elif found:
        again = any(what.startswith("topic id of") for what in found)
        hint = "; `streamlake offsets reset --recreated` goes on with a topic that was made anew" if again else ""
        yield (
            f"sink.root: what landed there is of this pipeline as it was: run {live.run} says {'; '.join(found)}, and "
            f"`run` refuses it. Mend the setting, or give the pipeline a root of its own{hint}"
        )


def _other_problems(config: PipelineConfig, runs: Sequence[RunIdentity]) -> Iterator[str]:
    stranger = next((run for run in runs if run.pipeline != config.pipeline), None)
    if stranger is not None:
        yield _stranger(config, stranger, differences(config, stranger, stranger.cluster_id, {}))


def _stranger(config: PipelineConfig, run: RunIdentity, found: Sequence[str]) -> str:
    root = str(config.sink.options.get("root", "")).rstrip("/")
    return (
        f"sink.root: {root} is the lake of the pipeline {run.pipeline!r}, and this is {config.pipeline!r}: run "
        f"{run.run} says {'; '.join(found)}, and `run` refuses it. Give this pipeline a root of its own, for instance "
        f"{root}-{config.pipeline}"
    )
