"""The name of a replay's run: given or made from its offsets, and nobody else's."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import ConfigError, ForeignRootError, UsageError
from streamlake.engine.names import checked_run
from streamlake.engine.operations.replay_types import Begun
from streamlake.engine.records import OffsetRange, TopicPartition

Ranges = Mapping[TopicPartition, OffsetRange]

_LIVE = re.compile(r"live-(?P<generation>[0-9]+)")


def live_run(runs: Sequence[RunIdentity]) -> RunIdentity | None:
    """The live run of a root: its highest generation."""
    generations = {int(match["generation"]): run for run in runs if (match := _LIVE.fullmatch(run.run))}
    return generations[max(generations)] if generations else None


def run_name(given: str | None, ranges: Ranges, topic_ids: Mapping[str, str]) -> str:
    """The name that was given, or one made from the ranges: the same ranges have the same name. Raises UsageError."""
    if given is None:
        text = "\n".join(f"{topic_ids[source.topic]} {source} {span}" for source, span in sorted(ranges.items()))
        return f"replay-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    try:
        checked_run(given)
    except ConfigError as error:
        raise UsageError(f"--name: {error}") from None
    if given.lower().startswith("live-"):
        raise UsageError(f"--name {given}: names that begin with live- are those of live runs; choose another one")
    return given


def run_begun(ledger: Ledger, standing: RunIdentity, ranges: Ranges) -> Begun:
    """How far the run is that stands there, which has these bounds. Raises UsageError where it has others."""
    name = standing.run
    theirs = {source: (start, standing.ends.get(source)) for source, start in standing.starts.items()}
    ours = {source: (span.first, span.next) for source, span in ranges.items()}
    if theirs != ours:
        source = min(source for source in theirs.keys() | ours.keys() if theirs.get(source) != ours.get(source))
        raise UsageError(
            f"--name {name}: is taken by other bounds, since {standing.created_at}: {source} is "
            f"{_shown(theirs.get(source))} there, {_shown(ours.get(source))} here; choose another name"
        )
    known = ledger.partitions(name)
    accounted = sum(ledger.head(name, source).next - span.first for source, span in ranges.items() if source in known)
    return Begun(standing.created_at, accounted)


def refuse_foreign(
    config: PipelineConfig, runs: Iterable[RunIdentity], cluster_id: str, topic_ids: Mapping[str, str]
) -> None:
    """Raise ForeignRootError where a run's file is of another pipeline, group, cluster, or topic of the same name."""
    for run in runs:
        pairs = [
            ("pipeline", run.pipeline, config.pipeline),
            ("group id", run.group_id, config.kafka.group_id),
            ("cluster id", run.cluster_id, cluster_id),
            *((f"topic id of {topic}", run.topic_ids.get(topic, here), here) for topic, here in topic_ids.items()),
        ]
        differences = [f"{what} {there} there, {here} here" for what, there, here in pairs if there != here]
        if differences:
            raise ForeignRootError(
                f"what landed under this root is not of this pipeline as it is now: run {run.run} says "
                f"{'; '.join(differences)}. Its offsets mean other records. Nothing was written"
            )


def _shown(bounds: tuple[int, int | None] | None) -> str:
    if bounds is None:
        return "not in it"
    first, following = bounds
    return f"[{first}, {'no end' if following is None else following})"
