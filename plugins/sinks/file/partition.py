"""The sink's end of one partition: the commit protocol of DESIGN §5, step by step."""

import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from streamlake.engine.accounting import Hand, entry_after, given_up, nothing_at
from streamlake.engine.contracts import PartitionJob
from streamlake.engine.entries import CommitRecord, Entry, EntryKind, FileEntry, Head, Recovered
from streamlake.engine.errors import FencedError, LedgerDamagedError, StorageError, SupersededError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.records import DeadLetter, OffsetRange
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.base import Backend, Wait, waiting
from streamlake.plugins.sinks.file.batch import StagedBatch
from streamlake.plugins.sinks.file.entry import VERSION
from streamlake.plugins.sinks.file.formats.registry import reading_of
from streamlake.plugins.sinks.file.ledger import FOLDERS_UNFOLDED, PartitionLedger
from streamlake.plugins.sinks.file.options import FileSinkOptions
from streamlake.plugins.sinks.file.staging import Stager

log = structlog.get_logger("streamlake.sink")

CLAIM_ATTEMPTS = 3


def utc_now() -> datetime:
    """The wall clock; nothing but file names and `committed_at` depends on it."""
    return datetime.now(UTC)


def new_uuid() -> str:
    """A name that nobody had before."""
    return str(uuid.uuid4())


class FilePartitionSink:
    """One writer of one partition (`streamlake.engine.contracts.PartitionSink`).

    The steps, numbered again at their lines:

    1. claim: make the head durable, free space, append a claim with the next epoch. From then on the slot that an
       older writer expects is taken, and nothing of it can be committed any more.
    2. roll forward: publish the files of the last data entry; its owner may have died before it did.
    3. collect: delete what older epochs staged. They can't commit, and after 2 none of it is needed.
    4. work: stage (invisible), commit (append: **the** commit point), publish (final names), again and again.
       Nothing is appended before everything of the entry before it is published.
    5. fold: after a claim and after a publish, pack one old folder of entries, if there is one, into a segment.
    6. close: all is published and sent, so the next owner need not look at it again.

    After a claim at slot k the only legal next slot is k+1: the tail is never read again. An error ends the writer.
    """

    def __init__(
        self,
        backend: Backend,
        job: PartitionJob,
        options: FileSinkOptions,
        *,
        now: Callable[[], datetime] = utc_now,
        new_id: Callable[[], str] = new_uuid,
        wait: Wait | None = None,
    ) -> None:
        backend.serve(job.beat, job.waits)
        self._backend = backend
        self._job = job
        self._now = now
        self._wait = wait or waiting(job.beat)
        self._writer = new_id()
        self._hand = Hand(VERSION, self._writer, options.format, options.columns)
        self._ledger = PartitionLedger(backend, job.run, job.source)
        self._stager = Stager(backend, job, options, now=now, new_id=new_id)
        self._held: Entry | None = None  # what we appended last; None before the claim and after a failed append
        self._unpublished: Sequence[FileEntry] = ()
        self._unfolded: deque[int] = deque()  # the folders of entries that have slots, oldest first
        self.missing_files = 0
        """Committed files found under neither of their names; `prove` reports them."""

    def head(self) -> Head:
        """How far this partition is; reads only. Raises LedgerDamagedError."""
        return self._ledger.head(self._job.start)

    def claim(self, head: Head) -> Recovered:
        """Take the partition at `head` and finish what its last owner began. Raises FencedError, StorageError."""
        # 1. Claim.
        self._backend.begin_batch()
        head, unfinished = self._take(head)
        failpoint("after_claim")

        # 2. Roll forward.
        missing = self._publish_files(unfinished)
        failpoint("after_roll_forward")

        # 3. Collect. What was committed and seen under neither name may yet be there: it stays.
        self._drop_staged(before_epoch=self._holding().epoch, keep={file.staged for file in missing})
        failpoint("after_collect")
        self._unfolded = deque(self._ledger.unfolded())
        self._fold()
        letters = [letter for file in unfinished if file.kind == "dead" for letter in self._letters(file)]
        return Recovered(head.next, head.leader_epoch, letters)

    def skip_to(self, next_offset: int, reason: str) -> None:
        """Append a `gap` entry: the offsets up to `next_offset` are lost to us; all of them count as holes."""
        lost = OffsetRange(self._holding().next, next_offset)
        assert lost, "a gap over no offsets is not written"
        self._append("gap", given_up(self._job.source, lost), reason)

    def stage(self) -> StagedBatch:
        """Begin a batch: its files are invisible, and with `seal` durable and verified."""
        # 4a. Stage. The entry before may still be waiting to be published meanwhile.
        self._backend.begin_batch()
        return StagedBatch(self._stager, self._holding().epoch, self._refuse_if_fenced)

    def commit(self, record: CommitRecord) -> Entry:
        """Append the ledger entry: **the** commit point. Raises FencedError, StorageError."""
        # 4b. Commit.
        assert record.range, "a batch over no offsets is not committed"
        entry = self._append("data", record)
        self._unpublished = record.files
        return entry

    def publish(self, record: CommitRecord) -> None:
        """Rename the committed files to their final names; can be repeated."""
        # 4c. Publish.
        assert record.range.next == self._holding().next, "only what was committed is published"
        self._publish_files(record.files)
        self._unpublished = ()
        self._fold()

    def close(self, *, final: bool = False) -> None:
        """Append a `close` entry: after a claim alone, too, or the next owner would take us for one that died.

        After a `final` one nobody claims this ledger again: a new live generation goes on.
        """
        # 6. Close.
        held = self._holding()
        if held.kind != "close":
            self._append("close", self._nothing(held.next, held.leader_epoch), final=final)

    def _take(self, head: Head) -> tuple[Head, Sequence[FileEntry]]:
        """Append the claim; the head it stands on, and the files of the last data entry that may be unpublished.

        A head that is stale by now costs a lost claim and no more: then look again. Once the claim stands, never.
        """
        for attempts_left in reversed(range(CLAIM_ATTEMPTS)):
            if head.final:
                raise SupersededError(
                    f"{self._job.source}: the ledger of {self._job.run} was closed for good, a new live generation "
                    "goes on: nothing was claimed"
                )
            last = self._ledger.unfinished(head)
            files = last.files if last else ()
            epoch = head.last.epoch if head.last else 0
            # Its writer may have died before its fsync: a power cut would take back what we build on.
            self._ledger.make_durable(head)
            # A full disk could not take the claim. The head's own epoch may still commit what it staged, and what
            # the last data entry names is published by whoever gets the claim, which need not be us.
            self._drop_staged(before_epoch=epoch, keep={file.staged for file in files})
            try:
                claim = self._entry(head.last, epoch + 1, "claim", self._nothing(head.next, head.leader_epoch))
                self._put(claim)
            except FencedError:
                if not attempts_left:
                    raise
                head = self.head()
            else:
                return head, files
        raise AssertionError("unreachable")

    def _append(self, kind: EntryKind, record: CommitRecord, reason: str = "", *, final: bool = False) -> Entry:
        """Append after our own last entry, in our epoch: the tail is never read again."""
        held = self._holding()
        assert not self._unpublished, "nothing is appended before all of the entry before is published"
        assert held.kind != "close", "nothing but another claim follows a close"
        assert record.range.first == held.next, f"{record.range} does not begin at the ledger's {held.next}"
        return self._put(replace(self._entry(held, held.epoch, kind, record, reason), final=final))

    def _put(self, entry: Entry) -> Entry:
        """Put an entry into its slot; while this is unsettled, and after an error, we hold nothing."""
        self._held = None
        self._held = self._ledger.append(entry, self._wait)
        return self._held

    def _entry(
        self, before: Entry | None, epoch: int, kind: EntryKind, record: CommitRecord, reason: str = ""
    ) -> Entry:
        return entry_after(
            before,
            kind,
            record,
            epoch=epoch,
            job=self._job,
            hand=self._hand,
            committed_at=self._now().isoformat(timespec="milliseconds"),
            reason=reason,
        )

    def _nothing(self, next_offset: int, leader_epoch: int | None) -> CommitRecord:
        return nothing_at(self._job.source, next_offset, leader_epoch)

    def _refuse_if_fenced(self) -> None:
        """Raise FencedError when our slot is taken: a newer owner collects what we stage, also under our hands."""
        slot = self._holding().seq + 1
        if self._ledger.holds(slot):
            raise FencedError(f"{self._job.source}: another writer has taken ledger entry {slot} of {self._job.run}")

    def _holding(self) -> Entry:
        assert self._held is not None, "claim first; a writer whose append failed is at its end"
        return self._held

    def _publish_files(self, files: Sequence[FileEntry]) -> Sequence[FileEntry]:
        """Give each file its final name; those that have neither name, which is said, counted, and left to `prove`."""
        published = self._backend.publish_all(files)
        missing = [file for file, done in zip(files, published, strict=True) if not done]
        self.missing_files += len(missing)
        for file in missing:
            log.warning(
                "committed, but the file is gone", partition=str(self._job.source), final=file.final, staged=file.staged
            )
        return missing

    def _drop_staged(self, *, before_epoch: int, keep: Collection[str] = ()) -> None:
        """Delete what epochs before `before_epoch` staged, except `keep`."""
        folder = layout.stage_folder(self._job.run, self._job.source)
        for name in self._backend.list(folder):
            epoch = layout.number_of(name)
            if epoch is None or epoch >= before_epoch:
                continue
            staged = [f"{folder}/{name}/{file}" for file in self._backend.list(f"{folder}/{name}")]
            self._backend.delete_all([path for path in staged if path not in keep])
            self._backend.remove_folder(f"{folder}/{name}")

    def _fold(self) -> None:
        """Fold the oldest folder that is due: one at a time, so that no batch waits for long."""
        # 5. Fold.
        held = self._holding()
        newest = held.seq // layout.ENTRIES_PER_FOLDER
        if not self._unfolded or self._unfolded[-1] < newest:
            self._unfolded.append(newest)
        if self._unfolded[0] + FOLDERS_UNFOLDED > newest:
            return
        stage = layout.epoch_folder(self._job.run, self._job.source, held.epoch)
        try:
            self._ledger.fold(self._unfolded.popleft(), stage=stage, wait=self._wait, beat=self._job.beat)
        except (LedgerDamagedError, StorageError) as error:
            # Old damage is for `prove` to tell in full, and what can't be read or dropped stays: new records land all
            # the same. The next owner tries again.
            where = str(self._job.source)
            log.error("old ledger entries are not folded", partition=where, why=str(error))  # noqa: TRY400 - said well

    def _letters(self, file: FileEntry) -> Iterator[DeadLetter]:
        """The letters of a published dead file; none when it is missing, which was said already."""
        stored = self._backend.open(file.final)
        if stored is None:
            return
        with stored:
            yield from reading_of(file.final).dead_letters(stored, file, self._job.source.topic)
