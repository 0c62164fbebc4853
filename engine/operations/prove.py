"""`prove`: every offset from the first to the last stands in exactly one row, dead letter, counted skip or hole.

Read in this order, so that it may run beside an engine that commits meanwhile:

1. each partition's ledger from its first entry, and each entry's files (`proof_partition`);
2. the ranges of runs that landed the same partition, which must not overlap;
3. what lies under `raw/` and `dead/`. Files are published after their entry is appended, so whatever is seen there
   and has no entry in a ledger **read again afterwards** was committed by nobody.

An operator may take a replay away meanwhile, or begin a new live generation whose files move: then what was missed is
looked for once more, all of it.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain, pairwise
from typing import cast

from streamlake.engine.abilities import RunLedger
from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import LedgerDamagedError
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.operations.proof_entries import FileName, parse_file_name
from streamlake.engine.operations.proof_kafka import KafkaProof
from streamlake.engine.operations.proof_partition import EntryComparison, PartitionProof, ProvenPartition
from streamlake.engine.operations.proof_types import Defect, Findings, Proof, damage_defect
from streamlake.engine.operations.spans import without
from streamlake.engine.operations.topic_reader import TopicReader
from streamlake.engine.records import OffsetRange, TopicPartition

LOOKS = 3
"""How often a root is proven whose runs are others each time."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose root it should be, by the YAML; its topics are looked through for strays even where no run knows them."""

    pipeline: str
    group_id: str
    topics: Sequence[str]


def prove(
    ledger: Ledger,
    subject: Subject | None = None,
    *,
    quick: bool = False,
    since: datetime | None = None,
    run: str | None = None,
    topic_reader: TopicReader | None = None,
    limit: int = 100,
    progress: Callable[[Findings], None] = lambda _: None,
) -> Proof:
    """Prove a whole root, or of it one replay (`run`). With `topic_reader`, compare it with the topics too.

    `subject` is who the root should belong to. `quick` opens no file: names and sizes only. `since` (aware) leaves out
    what was committed before it. `limit` is how many defects are kept; all are counted. `progress` is called after
    each entry. Damage is what the result is about and raises nothing; StorageError and SourceError (no answer) come
    through. Takes 250 bytes of memory for each file of the topic that has most.
    """
    once = partial(_prove_once, ledger, subject, quick=quick, since=since, run=run, topic_reader=topic_reader)
    for looks_left in reversed(range(LOOKS)):
        before = _standing(ledger)
        proof = once(limit=limit, progress=progress)
        if proof.holds or not looks_left or _standing(ledger) == before:
            return proof
    raise AssertionError("unreachable")


def _standing(ledger: Ledger) -> Sequence[str]:
    """The runs that are there; none where their files can't be read, which the proof says."""
    try:
        return [run.run for run in ledger.runs()]
    except LedgerDamagedError:
        return ()


def _prove_once(
    ledger: Ledger,
    subject: Subject | None,
    *,
    quick: bool,
    since: datetime | None,
    run: str | None,
    topic_reader: TopicReader | None,
    limit: int,
    progress: Callable[[Findings], None],
) -> Proof:
    started = time.monotonic()
    findings = Findings(limit)
    kafka = KafkaProof(topic_reader, ledger, findings) if topic_reader is not None and not quick else None
    runs = _runs(ledger, findings)
    lineage = Lineage(ledger, runs)
    if subject is not None:
        findings.add_all(_foreign_runs(runs, subject))
    looked_at = [one for one in runs if run in (None, one.run)]
    findings.totals.runs = len(looked_at)
    if run is not None and not looked_at:
        findings.add(Defect("nothing", f"the run {run} was deleted meanwhile: nothing of it is there to be proven"))
    for topic, ledgers in _by_topic(ledger, looked_at, subject.topics if subject and run is None else ()).items():
        named: set[str] = set()
        proven = [
            PartitionProof(
                ledger,
                lineage,
                identity,
                source,
                findings,
                named,
                quick=quick,
                since=since,
                apart=run is None and identity not in lineage.visible_runs,
                comparison=_comparison(kafka, identity, source),
                progress=partial(progress, findings),
            ).prove()
            for identity, source in ledgers
        ]
        if kafka is not None:
            kafka.count_pending(
                topic, _landed(looked_at if run else lineage.visible_runs, proven, kafka.topic_id(topic))
            )
        findings.add_all(_overlaps(lineage, proven, since=since is not None))
        visible = _visible(lineage, topic, looked_at, root=run is None)
        findings.add_all(_strays(lineage, topic, visible, named, proven, findings, since=since is not None))
    return Proof(
        findings.totals,
        dict(findings.counts),
        findings.defects,
        findings.notes,
        time.monotonic() - started,
        quick=quick,
        since=since,
        kafka=kafka.totals if kafka is not None else None,
    )


def _runs(ledger: Ledger, findings: Findings) -> Sequence[RunIdentity]:
    try:
        runs = ledger.runs()
    except LedgerDamagedError as damage:
        findings.add(damage_defect(damage))
        return ()
    if not runs:
        message = "no run has landed anything here: is it the root (sink.root) that the engine writes to?"
        findings.add(Defect("nothing", message))
    return runs


def _foreign_runs(runs: Sequence[RunIdentity], subject: Subject) -> Iterator[Defect]:
    """Run files that name another pipeline or group than the YAML."""
    for identity in runs:
        for what, there, here in (
            ("pipeline", identity.pipeline, subject.pipeline),
            ("group id", identity.group_id, subject.group_id),
        ):
            if there != here:
                yield Defect("run", f"the run file says {what} {there}, the YAML {here}", identity.run)


def _by_topic(
    ledger: Ledger, runs: Sequence[RunIdentity], topics: Iterable[str]
) -> dict[str, list[tuple[RunIdentity, TopicPartition]]]:
    """Every partition ledger of every run by its topic; a topic that has none stands there empty, for its strays."""
    found: dict[str, list[tuple[RunIdentity, TopicPartition]]] = defaultdict(list)
    for topic in chain(topics, *(identity.topic_ids for identity in runs)):
        found[topic] = []
    for identity in runs:
        for source in ledger.partitions(identity.run):
            found[source.topic].append((identity, source))
    return dict(sorted(found.items()))


def _landed(
    runs: Sequence[RunIdentity], proven: Sequence[ProvenPartition], topic_id: str | None
) -> Mapping[TopicPartition, int]:
    """How far each partition of the topic as it is now has landed: the next offset, or where its run starts."""
    landed: dict[TopicPartition, int] = {}
    starts = (
        (source, start)
        for run in runs
        for source, start in run.starts.items()
        if run.topic_ids.get(source.topic, topic_id) == topic_id
    )
    ledgers = ((one.source, one.next) for one in proven if one.topic_id == topic_id)
    for source, offset in chain(starts, ledgers):
        landed[source] = max(offset, landed.get(source, 0))
    return landed


def _comparison(kafka: KafkaProof | None, identity: RunIdentity, source: TopicPartition) -> EntryComparison | None:
    return None if kafka is None else kafka.partition(source, from_files=identity.reads == "lake")


def _live_first(lineage: Lineage, one: ProvenPartition) -> int:
    """Where the live run began: what is missing before it was never landed, and may be by a backfill."""
    begins = [lineage.begins(run, one.source, one.topic_id) for run in lineage.generations]
    return min((first for first in begins if first is not None), default=0)


def _overlaps(lineage: Lineage, proven: Sequence[ProvenPartition], *, since: bool) -> Iterator[Defect]:
    """Offsets of one topic that readers see of two runs, and those between two generations that no run has."""
    visible = {run.run: run for run in lineage.visible_runs}
    standing = [
        (one, OffsetRange(*span))
        for one in proven
        if one.run in visible and one.first < one.next
        for span in without([(one.first, one.next)], lineage.superseded(one.run, one.source))
    ]
    standing.sort(key=lambda pair: (pair[0].source, pair[0].topic_id, pair[1]))
    for (left, there), (right, here) in pairwise(standing):
        if (left.source, left.topic_id) != (right.source, right.topic_id):
            continue
        if here.first < there.next:
            twice = OffsetRange(here.first, min(there.next, here.next))
            yield Defect("duplicate", f"accounted for by run {left.run} as well", right.run, right.source, twice)
        elif here.first > there.next >= _live_first(lineage, right) and not since:
            between = OffsetRange(there.next, here.first)
            yield Defect("hole", f"lies between run {left.run} and what follows", right.run, right.source, between)


def _strays(
    lineage: Lineage,
    topic: str,
    visible: Iterable[str],
    named: set[str],
    proven: Sequence[ProvenPartition],
    findings: Findings,
    *,
    since: bool,
) -> Iterator[Defect]:
    """Names under a topic's folders that no entry names, each with what its name pretends to be."""
    unknown = [path for path in visible if path not in named]
    if not unknown:
        return
    owners = {(one.run, one.source): one for one in proven}
    named |= _named_meanwhile(lineage.ledger, topic, owners, findings)
    behind_damage = 0
    for path in unknown:
        if path in named:
            continue
        name = parse_file_name(path, topic, [run for run, _ in owners])
        owner = owners.get((name.run, name.source)) if name is not None else None
        if name is None or owner is None:
            yield Defect("stray", "no entry names it", path=path)
        elif owner.damaged and name.range.first >= owner.next:
            behind_damage += 1
        elif not (since and name.range.next <= owner.first):
            yield Defect("stray", _stray_message(name, owner), owner.run, owner.source, name.range, path)
    if behind_damage:
        findings.notes.append(f"{topic}: {behind_damage} files lie behind a damaged entry: nobody can vouch for them")


def _visible(lineage: Lineage, topic: str, runs: Sequence[RunIdentity], *, root: bool) -> Iterator[str]:
    """What lies where readers of these runs look: in the folders of replays, and below the root, whosever that is."""
    if root:
        yield from lineage.ledger.visible(topic)
    for output in sorted({run.output for run in runs if run.output and topic in run.topic_ids}):
        yield from cast("RunLedger", lineage.ledger).visible(topic, output)


def _named_meanwhile(
    ledger: Ledger, topic: str, owners: dict[tuple[str, TopicPartition], ProvenPartition], findings: Findings
) -> set[str]:
    """The files of entries appended since the ledgers were read, by partitions and runs that are new as well."""
    names: set[str] = set()
    lineage = Lineage(ledger)  # read again
    identities: dict[str, RunIdentity] = {}
    try:
        identities = {identity.run: identity for identity in lineage.runs}
        for identity in identities.values():
            for source in ledger.partitions(identity.run):
                if source.topic == topic:
                    owners.setdefault((identity.run, source), ProvenPartition(identity.run, source))
    except LedgerDamagedError:
        names.clear()  # a run file that can't be read is a defect already
    for owner in owners.values():
        if owner.damaged or owner.run not in identities:
            continue
        try:
            for entry in ledger.entries(owner.run, owner.source, owner.seq_next):
                for file in entry.files:
                    names.update(lineage.names(identities[owner.run], file))
        except LedgerDamagedError as damage:
            owner.damaged = True
            findings.add(damage_defect(damage, owner.run, owner.source))
    return names


def _stray_message(name: FileName, owner: ProvenPartition) -> str:
    """Whether a stray repeats offsets or lies past the end."""
    if name.range.first >= owner.next:
        return f"no entry names it, and the ledger ends at {owner.next}: was its last entry removed?"
    return "no entry names it; readers see its rows a second time"
