"""Sends dead letters back to be tried again: with a journal, so that nothing is sent twice that is known to be sent.

The steps of a batch: **(1)** note which letters are sent now, **(2)** send them, **(3)** wait for every delivery
report, **(4)** note what has arrived. A death before (1) costs nothing, a death after (4) neither; between them the
batch is in doubt: whoever goes on sends it once more, each record marked by the header `streamlake.redrive.in_doubt`.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from streamlake.config.model import PipelineConfig
from streamlake.engine.abilities import notes_of
from streamlake.engine.contracts import Ledger, Sink
from streamlake.engine.counted import counted
from streamlake.engine.errors import ForeignRootError, UsageError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.generations import generations
from streamlake.engine.operations.dead import list_letters
from streamlake.engine.operations.dead_topic import edge_letters
from streamlake.engine.operations.dead_types import FoundLetter
from streamlake.engine.operations.journals import Journals
from streamlake.engine.operations.redrive_journal import FOLDER, Known, RedriveJournal, Upto
from streamlake.engine.operations.redrive_letters import PORTION_BYTES, Choice
from streamlake.engine.operations.redrive_types import (
    SOURCE,
    Outgoing,
    Redriven,
    RedrivePlan,
    RedriveRequest,
    RedriveState,
    Sender,
    Target,
    Undelivered,
)
from streamlake.engine.records import TopicPartition

BATCH_LETTERS = 500
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def redrive(
    config: PipelineConfig,
    sink: Sink,
    sender: Sender,
    request: RedriveRequest,
    *,
    name: str | None = None,
    batch_letters: int = BATCH_LETTERS,
    rate: float | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Redriven:
    """Send the letters that are wanted, in batches of `batch_letters`, `rate` a second at most.

    `name` is the redrive's; called again with it and the same request, what is left is sent. Without one it is the
    newest redrive of the same request that has not ended, or a new one. Letters that are refused after its beginning
    are not looked at. `progress` is told how many were sent so far. Raises UsageError (no such topic to send to, other
    terms under this name), ConfigError (a sink that keeps no notes), ForeignRootError, SourceError, FencedError,
    StorageError, FileDamagedError.
    """
    began = time.monotonic()
    work = _prepared(config, sink, sender, request, name)
    journal, choice = work.journal, work.choice
    if journal.ended:
        return work.result("finished_before", [], began)
    batch_letters = batch_letters if rate is None else max(1, min(batch_letters, int(rate)))
    for batch in _batches(work.outgoing(), batch_letters):
        if journal.begin is None:
            failpoint("redrive_before_begin")
            wanted = request.wanted
            journal.write_begin(request.terms(), wanted.since, wanted.until, choice.upto)
            failpoint("redrive_after_begin")
        journal.write_batch([one.place for one in batch])  # (1)
        failpoint("redrive_after_intent")
        undelivered = sender.send(batch, rate)  # (2), (3)
        failpoint("redrive_after_sending")
        out = {one.place: one.in_doubt for one in undelivered}
        doubtful = [place for place, in_doubt in out.items() if in_doubt]
        journal.write_done([place for place in out if not out[place]], doubtful)  # (4)
        failpoint("redrive_after_done")
        arrived = [one for one in batch if one.place not in out]
        work.sent += len(arrived)
        work.in_doubt += sum(one.in_doubt for one in arrived)
        progress(work.sent)
        if undelivered:
            return work.result("stopped", undelivered, began)
    if journal.begin is None:
        return work.result("nothing", [], began)
    failpoint("redrive_before_end")
    journal.write_end()
    failpoint("redrive_after_end")
    return work.result("finished", [], began)


def plan_redrive(
    config: PipelineConfig, sink: Sink, sender: Sender, request: RedriveRequest, *, name: str | None = None
) -> RedrivePlan:
    """What `redrive` would do now; writes and sends nothing. Raises what it raises."""
    work = _prepared(config, sink, sender, request, name)
    sending: Counter[str] = Counter()
    in_doubt = 0
    for one in () if work.journal.ended else work.outgoing():
        sending[one.place.target] += 1
        in_doubt += one.in_doubt
    choice = work.choice
    return RedrivePlan(
        name=work.journal.name,
        begun=work.journal.begin is not None,
        finished=work.journal.ended,
        letters=choice.letters,
        sending=dict(sending),
        in_doubt=in_doubt,
        sent_before=choice.sent_before,
        left_out=dict(choice.left_out),
        reasons=dict(choice.reasons),
        remarks=work.remarks(),
    )


@dataclass
class _Work:
    """A redrive on its way: what it may send, and what it has sent."""

    config: PipelineConfig
    ledger: Ledger
    sender: Sender
    request: RedriveRequest
    journal: RedriveJournal
    choice: Choice
    sent: int = 0
    in_doubt: int = 0
    _old: Counter[str] = field(default_factory=Counter)

    def outgoing(self) -> Iterator[Outgoing]:
        """What is to be sent, each record's topic looked at."""
        now_ms = time.time_ns() // 1_000_000
        for one in self.choice.outgoing(self._letters()):
            target = self._checked(one)
            if target.keeps_ms is not None and (one.timestamp_ms or now_ms) < now_ms - target.keeps_ms:
                self._old[one.place.target] += 1
            yield one

    def _letters(self) -> Iterator[FoundLetter]:
        reader, wanted = self.request.from_topic, self.request.wanted
        if reader is None:
            return list_letters(self.ledger, wanted)
        return edge_letters(reader, _dead_letter_topic(self.config), wanted)

    def _checked(self, one: Outgoing) -> Target:
        """Raises UsageError where the record can't be sent where it should."""
        place = one.place
        target = topic_to_send_to(self.config, self.sender, place.target)
        if one.partition is None:
            return target
        if place.topic_id and target.topic_id != place.topic_id:
            raise UsageError(
                f"--to source: {place} came from a topic {place.topic} that is gone, id {place.topic_id}; the one of "
                f"this name now has the id {target.topic_id}. If the letters are meant for it, say --to {place.topic}"
            )
        if one.partition >= target.partitions:
            raise UsageError(
                f"--to source: {place}: the topic {place.target} has {counted(target.partitions, 'partition')} only"
            )
        return target

    def remarks(self) -> list[str]:
        """What the user should know beside the counts."""
        return [
            f"{count:,} of the records for {topic} are older than it keeps any (retention.ms): Kafka may delete them "
            "before they are read, which stops their readers; --timed-now gives them the time of sending"
            for topic, count in sorted(self._old.items())
        ]

    def result(self, state: RedriveState, undelivered: Iterable[Undelivered], began: float) -> Redriven:
        """The redrive so far."""
        ended = state == "finished_before"
        return Redriven(
            name=self.journal.name,
            state=state,
            letters=self.choice.letters,
            sent=self.sent,
            in_doubt=self.in_doubt,
            sent_before=len(self.journal.known.sent) if ended else self.choice.sent_before,
            left_out=dict(self.choice.left_out),
            reasons=dict(self.choice.reasons),
            undelivered=list(undelivered),
            remarks=self.remarks(),
            seconds=time.monotonic() - began,
        )


def topic_to_send_to(config: PipelineConfig, sender: Sender, topic: str) -> Target:
    """The topic `topic` of the cluster. Raises UsageError where there is none, and for a dead-letter topic."""
    dead = [config.dead_letters.topic] if config.dead_letters.topic else []
    dead += [
        found
        for stream in (config.http.streams.values() if config.http else ())
        if (found := config.dead_letter_topic_of(stream)) is not None
    ]
    if topic in {one.name for one in dead}:
        raise UsageError(f"{topic} is a dead-letter topic of {config.pipeline}: nothing is tried again there")
    target = sender.target(topic)
    if target is None:
        raise UsageError(f"the topic {topic} does not exist: make it with `streamlake topics apply`, or mend the name")
    return target


def _prepared(config: PipelineConfig, sink: Sink, sender: Sender, request: RedriveRequest, name: str | None) -> _Work:
    """Everything looked at, nothing written."""
    notes = notes_of(sink, "without a journal in them nobody would know after a kill what was sent")
    ledger, journals = sink.ledger(), Journals(notes, FOLDER)
    if request.max_attempts < 1:
        raise UsageError(f"--max-attempts {request.max_attempts}: must be 1 at least; a letter has failed once already")
    if request.to != SOURCE:
        topic_to_send_to(config, sender, request.to)
    _refuse_foreign(config, ledger, sender)
    journal, others = _journal_of(journals, request, name)
    if journal.begin is None:
        upto = _ends(config, ledger, request)
    else:
        _refuse_other_terms(journal, request)
        upto = journal.upto()
        wanted = replace(request.wanted, since=journal.time("since"), until=journal.time("until"))
        request = replace(request, wanted=wanted)
    choice = Choice(request, journal.name, upto, journal.known, others)
    return _Work(config, ledger, sender, request, journal, choice)


def _journal_of(journals: Journals, request: RedriveRequest, name: str | None) -> tuple[RedriveJournal, list[Known]]:
    """The journal to go on with or to begin, and what those of others say."""
    if name is not None and not _NAME.fullmatch(name):
        raise UsageError(f"--name {name}: up to 64 letters of a-z A-Z 0-9 . _ -, the first a letter or digit")
    found = {one: RedriveJournal.read(journals, one) for one in journals.names()}
    chosen = name or _next_name(found, request.series())
    journal = found.pop(chosen, None) or RedriveJournal.read(journals, chosen)
    return journal, [other.known for other in found.values()]


def _next_name(found: dict[str, RedriveJournal], series: str) -> str:
    """The newest of the series that has not ended, or the next number."""
    numbers = [int(match[1]) for one in found if (match := re.fullmatch(rf"{re.escape(series)}-(\d+)", one))]
    newest = max(numbers, default=0)
    going_on = newest and not found[f"{series}-{newest}"].ended
    return f"{series}-{newest if going_on else newest + 1}"


def _refuse_other_terms(journal: RedriveJournal, request: RedriveRequest) -> None:
    assert journal.begin is not None, "there is a beginning to compare with"
    before, now = journal.begin["terms"], request.terms()
    differences = [
        f"{name} was {before.get(name, 'not given')}, and is {now.get(name, 'not given')}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    if differences:
        raise UsageError(
            f"the redrive {journal.name} is there with other options ({'; '.join(differences)}): "
            "repeat them, or choose another --name"
        )


def _refuse_foreign(config: PipelineConfig, ledger: Ledger, sender: Sender) -> None:
    """Raise ForeignRootError where the letters are of another pipeline or cluster."""
    ours = (config.pipeline, sender.cluster_id())
    for identity in generations(ledger.runs()):
        if (identity.pipeline, identity.cluster_id) != ours:
            raise ForeignRootError(
                f"this root belongs to somebody else: its run {identity.run} is of pipeline {identity.pipeline} on "
                f"cluster {identity.cluster_id}, this is {ours[0]} on {ours[1]}. Nothing was sent"
            )


def _ends(config: PipelineConfig, ledger: Ledger, request: RedriveRequest) -> Upto:
    """How far each partition is now, in each run that may have letters; or in the dead-letter topic, of no run."""
    wanted, reader = request.wanted, request.from_topic
    if reader is not None:
        topic = _dead_letter_topic(config)
        sources = [TopicPartition(topic, partition) for partition in range(reader.partitions(topic))]
        return {("", source): reader.kept(source).next for source in sources}
    return {
        (identity.run, source): ledger.head(identity.run, source).next
        for identity in ledger.runs()
        if wanted.run in (None, identity.run)
        for source in ledger.partitions(identity.run)
        if wanted.wants_source(source)
    }


def _dead_letter_topic(config: PipelineConfig) -> str:
    if config.dead_letters.topic is None:
        raise UsageError(f"{config.pipeline} has no dead-letter topic (dead_letters.topic): leave out --source topic")
    return config.dead_letters.topic.name


def _batches(records: Iterable[Outgoing], letters_max: int) -> Iterator[list[Outgoing]]:
    """Records in batches of `letters_max` and about PORTION_BYTES at most."""
    batch: list[Outgoing] = []
    size = 0
    for one in records:
        batch.append(one)
        size += len(one.value or b"")
        if len(batch) == letters_max or size > PORTION_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
