"""The name of a replay's run: given or made from its offsets, and nobody else's."""

import hashlib
from collections.abc import Iterable, Mapping

from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import ConfigError, ForeignRootError, UsageError
from streamlake.engine.names import checked_run
from streamlake.engine.operations.replay_types import Begun
from streamlake.engine.records import OffsetRange, TopicPartition

Ranges = Mapping[TopicPartition, OffsetRange]


def run_name(given: str | None, ranges: Ranges, topic_ids: Mapping[str, str]) -> str:
    """The name that was given, or one made from the ranges: the same ranges have the same name. Raises UsageError."""
    if given is None:
        text = "\n".join(f"{topic_ids[source.topic]} {source} {span}" for source, span in sorted(ranges.items()))
        return f"replay-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    check_name(given)
    return given


def check_name(given: str) -> None:
    """Raise UsageError for a name that no replay can have."""
    try:
        checked_run(given)
    except ConfigError as error:
        raise UsageError(f"--name: {error}") from None
    for prefix, whose in (("live-", "live runs"), ("backfill-", "backfills")):
        if given.lower().startswith(prefix):
            raise UsageError(f"--name {given}: names that begin with {prefix} are those of {whose}; choose another one")


def run_begun(ledger: Ledger, standing: RunIdentity, ranges: Ranges) -> Begun:
    """How far the run is that stands there, which has these bounds. Raises UsageError where it has others."""
    refuse_other_bounds(standing, ranges)
    name = standing.run
    known = ledger.partitions(name)
    accounted = sum(ledger.head(name, source).next - span.first for source, span in ranges.items() if source in known)
    return Begun(standing.created_at, accounted)


def refuse_other_bounds(standing: RunIdentity, ranges: Ranges) -> None:
    """Raise UsageError where the run that stands there has other bounds."""
    name = standing.run
    theirs = {source: (start, standing.ends.get(source)) for source, start in standing.starts.items()}
    ours = {source: (span.first, span.next) for source, span in ranges.items()}
    if theirs != ours:
        source = min(source for source in theirs.keys() | ours.keys() if theirs.get(source) != ours.get(source))
        raise UsageError(
            f"--name {name}: is taken by other bounds, since {standing.created_at}: {source} is "
            f"{_shown(theirs.get(source))} there, {_shown(ours.get(source))} here; choose another name, or leave the "
            "bounds out to go on with that one"
        )


def refuse_foreign(
    config: PipelineConfig, runs: Iterable[RunIdentity], cluster_id: str, topic_ids: Mapping[str, str]
) -> None:
    """Raise ForeignRootError where a run's file is of another pipeline, group, cluster, or topic of the same name."""
    for run in runs:
        if found := differences(config, run, cluster_id, topic_ids):
            raise ForeignRootError(
                f"what landed under this root is not of this pipeline as it is now: run {run.run} says "
                f"{'; '.join(found)}. Its offsets mean other records. Nothing was written"
            )


def differences(config: PipelineConfig, run: RunIdentity, cluster_id: str, topic_ids: Mapping[str, str]) -> list[str]:
    """What of a run's file is not this pipeline's: `group id x there, y here`."""
    pairs = [
        ("pipeline", run.pipeline, config.pipeline),
        ("group id", run.group_id, config.kafka.group_id),
        ("cluster id", run.cluster_id, cluster_id),
        *((f"topic id of {topic}", run.topic_ids.get(topic, here), here) for topic, here in topic_ids.items()),
    ]
    return [f"{what} {there} there, {here} here" for what, there, here in pairs if there != here]


def _shown(bounds: tuple[int, int | None] | None) -> str:
    if bounds is None:
        return "not in it"
    first, following = bounds
    return f"[{first}, {'no end' if following is None else following})"
