"""The task that proves a root, or one replay of it."""

from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime

from streamlake.config.load import Files, load_pipeline
from streamlake.engine.errors import UsageError
from streamlake.engine.operations.opened import open_sink, open_topic_reader, root_of
from streamlake.engine.operations.prove import Subject, prove
from streamlake.engine.operations.replays import replay_named
from streamlake.engine.operations.task_types import Told, moment_of, task

DEFECTS_SHOWN = 20


@task
def plan_proof(
    names: Sequence[str], *, quick: bool = False, kafka: bool = False, since: str | None = None, run: str | None = None
) -> Told:
    """What `prove_pipeline` would look at, for these pipelines; reads nothing."""
    if quick and kafka:
        raise UsageError("quick reads no file, kafka compares what stands in them: choose one")
    if run is not None and len(names) > 1:
        raise UsageError(f"run {run}: is a replay of one pipeline; choose which one of {', '.join(names)}")
    moment = moment_of(since, "since", datetime.now(UTC))
    what = "names and sizes" if quick else "every entry and file, and the topics" if kafka else "every entry and file"
    of = "" if run is None else f" of the replay {run}"
    begin = "" if moment is None else f", committed since {moment.isoformat(timespec='seconds')}"
    return Told(f"to be proven: {', '.join(names)}; {what}{of}{begin}. Nothing is written")


@task
def prove_pipeline(
    files: Files, *, quick: bool = False, kafka: bool = False, since: str | None = None, run: str | None = None
) -> Told:
    """Hold every offset of a pipeline to account, or those of the replay `run`; reads only, also beside an engine.

    `quick` reads no file, `kafka` compares with the topics, too; `since` (a timestamp with its zone, or how long ago)
    leaves out what was committed before. Refused where the proof fails: trying again finds the same.
    """
    config = load_pipeline(files)
    moment = moment_of(since, "since", datetime.now(UTC))
    ledger = open_sink(config).ledger()
    if run is not None:
        replay_named(ledger, run)
    subject = Subject(config.pipeline, config.kafka.group_id, config.kafka.topic_names)
    with closing(open_topic_reader(config)) if kafka else nullcontext() as reader:
        proof = prove(ledger, subject, quick=quick, since=moment, run=run, topic_reader=reader, limit=DEFECTS_SHOWN)
    totals, root = proof.totals, root_of(config)
    counts = (
        f"{totals.offsets:,} offsets are {totals.rows:,} rows, {totals.dead_letters:,} dead letters, "
        f"{totals.skipped:,} skipped, {totals.holes:,} holes, {totals.gaps:,} given up, in {totals.files:,} files"
    )
    data = {
        "holds": proof.holds,
        "counts": dict(proof.counts),
        "totals": asdict(totals),
        "kafka": proof.kafka and asdict(proof.kafka),
        "files": f"{root}/raw/",
        "ledger": f"{root}/_ledger/",
    }
    details = [f"{one.kind}: {one.place()} {one.message}" for one in proof.defects] + list(proof.notes)
    what = config.pipeline if run is None else f"{config.pipeline}, its replay {run}"
    if proof.holds:
        return Told(f"{what}: proven: {counts}; they and their ledger are below {root}", details, data)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(proof.counts.items()))
    return Told(f"{what}: NOT proven, {kinds}: {counts}; they are below {root}", details, data, "refused")
