"""`prove`: every offset from the first to the last stands in exactly one row, dead letter, counted skip or hole.

Read in this order, so that it may run beside an engine that commits meanwhile:

1. each partition's ledger from its first entry, and each entry's files (`proof_partition`);
2. the ranges of runs that landed the same partition, which must not overlap;
3. what lies under `raw/` and `dead/`. Files are published after their entry is appended, so whatever is seen there
   and has no entry in a ledger **read again afterwards** was committed by nobody.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain, pairwise

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import LedgerDamagedError
from streamlake.engine.operations.proof_entries import FileName, parse_file_name
from streamlake.engine.operations.proof_kafka import KafkaProof
from streamlake.engine.operations.proof_partition import PartitionProof, ProvenPartition
from streamlake.engine.operations.proof_types import Defect, Findings, Proof, damage_defect
from streamlake.engine.operations.topic_reader import TopicReader
from streamlake.engine.records import OffsetRange, TopicPartition


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
    topic_reader: TopicReader | None = None,
    limit: int = 100,
    progress: Callable[[Findings], None] = lambda _: None,
) -> Proof:
    """Prove a whole root. With `topic_reader`, compare it with the topics too (unless quick).

    `subject` is who the root should belong to. `quick` opens no file: names and sizes only. `since` (aware) leaves out
    what was committed before it. `limit` is how many defects are kept; all are counted. `progress` is called after
    each entry. Damage is what the result is about and raises nothing; StorageError and SourceError (no answer) come
    through. Takes 250 bytes of memory for each file of the topic that has most.
    """
    started = time.monotonic()
    findings = Findings(limit)
    kafka = KafkaProof(topic_reader, ledger, findings) if topic_reader is not None and not quick else None
    runs = _runs(ledger, findings)
    if subject is not None:
        findings.add_all(_foreign_runs(runs, subject))
    for topic, ledgers in _by_topic(ledger, runs, subject.topics if subject else ()).items():
        named: set[str] = set()
        proven = [
            PartitionProof(
                ledger,
                identity,
                source,
                findings,
                named,
                quick=quick,
                since=since,
                comparison=kafka.partition(source) if kafka is not None else None,
                progress=partial(progress, findings),
            ).prove()
            for identity, source in ledgers
        ]
        if kafka is not None:
            kafka.count_pending(topic, _landed(runs, proven))
        findings.add_all(_overlaps(proven))
        findings.add_all(_strays(ledger, topic, named, proven, findings, since=since is not None))
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
    findings.totals.runs = len(runs)
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


def _landed(runs: Sequence[RunIdentity], proven: Sequence[ProvenPartition]) -> Mapping[TopicPartition, int]:
    """How far each partition has landed: the next offset, or where its run starts while it has no ledger."""
    landed: dict[TopicPartition, int] = {}
    for source, offset in chain(*(run.starts.items() for run in runs), ((one.source, one.next) for one in proven)):
        landed[source] = max(offset, landed.get(source, 0))
    return landed


def _overlaps(proven: Sequence[ProvenPartition]) -> Iterator[Defect]:
    """Offsets of one topic that two runs have landed."""
    ordered = sorted((one for one in proven if one.first < one.next), key=lambda p: (p.source, p.topic_id, p.first))
    for left, right in pairwise(ordered):
        if (left.source, left.topic_id) == (right.source, right.topic_id) and right.first < left.next:
            twice = OffsetRange(right.first, min(left.next, right.next))
            yield Defect("duplicate", f"accounted for by run {left.run} as well", right.run, right.source, twice)


def _strays(
    ledger: Ledger, topic: str, named: set[str], proven: Sequence[ProvenPartition], findings: Findings, *, since: bool
) -> Iterator[Defect]:
    """Names under a topic's folders that no entry names, each with what its name pretends to be."""
    unknown = [path for path in ledger.visible(topic) if path not in named]
    if not unknown:
        return
    owners = {(one.run, one.source): one for one in proven}
    named |= _named_meanwhile(ledger, topic, owners, findings)
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


def _named_meanwhile(
    ledger: Ledger, topic: str, owners: dict[tuple[str, TopicPartition], ProvenPartition], findings: Findings
) -> set[str]:
    """The files of entries appended since the ledgers were read, by partitions and runs that are new as well."""
    names: set[str] = set()
    try:
        for identity in ledger.runs():
            for source in ledger.partitions(identity.run):
                if source.topic == topic:
                    owners.setdefault((identity.run, source), ProvenPartition(identity.run, source))
    except LedgerDamagedError:
        names.clear()  # a run file that can't be read is a defect already
    for owner in owners.values():
        if owner.damaged:
            continue
        try:
            for entry in ledger.entries(owner.run, owner.source, owner.seq_next):
                names.update(file.final for file in entry.files)
        except LedgerDamagedError as damage:
            owner.damaged = True
            findings.add(damage_defect(damage, owner.run, owner.source))
    return names


def _stray_message(name: FileName, owner: ProvenPartition) -> str:
    """Whether a stray repeats offsets or lies past the end."""
    if name.range.first >= owner.next:
        return f"no entry names it, and the ledger ends at {owner.next}: was its last entry removed?"
    return "no entry names it; readers see its rows a second time"
