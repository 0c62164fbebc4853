"""One partition's ledger: immutable numbered entries, each naming the hash of the one before it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from streamlake.engine.entries import Entry, Head
from streamlake.engine.errors import FencedError, LedgerDamagedError
from streamlake.engine.records import TopicPartition
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.base import Backend, Wait, put_settled
from streamlake.plugins.sinks.file.entry import FIRST_PREVIOUS, decoded, digest, encoded

TAIL_CHECKED = 32
"""How many entries back from the newest the hashes are checked on each start; `prove` checks all."""


class PartitionLedger:
    """The entries of one partition in one run. Reads see what stands in the storage; nothing is kept in memory."""

    def __init__(self, backend: Backend, run: str, source: TopicPartition) -> None:
        self._backend = backend
        self._run = run
        self._source = source

    def head(self, start: int) -> Head:
        """The newest entry, found by two listings; `start` is the next offset of a ledger that has none.

        Raises LedgerDamagedError when the tail is not whole.
        """
        newest = self._newest_seq()
        if newest < 0:
            return Head(seq=-1, next=start, leader_epoch=None, topic_id=None, claims=0)
        last = self.read(newest)
        return Head(last.seq, last.next, last.leader_epoch, last.topic_id, self._claims(last), last)

    def unfinished(self, head: Head) -> Entry | None:
        """The last data entry, unless a `close` follows: its files may be unpublished, its dead letters unsent."""
        if head.last is None:
            return None
        for entry in self.backwards(head.last):
            if entry.kind in {"data", "close"}:
                return entry if entry.kind == "data" else None
        return None

    def backwards(self, entry: Entry) -> Iterator[Entry]:
        """`entry` and those before it, newest first, each checked against the hash that its successor names."""
        while True:
            yield entry
            if entry.seq == 0:
                self._check_link(FIRST_PREVIOUS, entry)
                return
            before = self.read(entry.seq - 1)
            self._check_link(before.sha256, entry)
            entry = before

    def entries(self, first_seq: int = 0) -> Iterator[Entry]:
        """The entries from `first_seq` on, oldest first, each checked against the hash of the one before."""
        newest = self._newest_seq()
        previous = FIRST_PREVIOUS if first_seq == 0 else self.read(first_seq - 1).sha256
        for seq in range(first_seq, newest + 1):
            entry = self.read(seq)
            self._check_link(previous, entry)
            previous = entry.sha256
            yield entry

    def read(self, seq: int) -> Entry:
        """Entry `seq`, which must be there. Raises LedgerDamagedError."""
        path = self._path(seq)
        data = self._backend.read(path)
        if data is None:
            raise LedgerDamagedError(f"{path} is missing, and later entries of this ledger are there")
        entry = decoded(data, path)
        if (entry.run, entry.source, entry.seq) != (self._run, self._source, seq):
            raise LedgerDamagedError(f"{path} holds entry {entry.seq} of {entry.source} in run {entry.run}")
        return entry

    def holds(self, seq: int) -> bool:
        """Whether anything stands in slot `seq`."""
        return self._backend.read(self._path(seq)) is not None

    def append(self, entry: Entry, wait: Wait) -> Entry:
        """Put `entry` into its slot. Raises FencedError when the slot holds another writer's entry."""
        data = encoded(entry)
        stage = layout.epoch_folder(self._run, self._source, entry.epoch)
        if put_settled(self._backend, self._path(entry.seq), data, stage=stage, wait=wait) != data:
            raise FencedError(
                f"{self._source}: another writer has taken ledger entry {entry.seq} of run {self._run}; "
                f"nothing of this one's {entry.kind} was committed"
            )
        return replace(entry, sha256=digest(data))

    def make_durable(self, head: Head) -> None:
        """Make sure that a power cut can't take back the head we act on: its writer may have died before its fsync."""
        if head.seq >= 0:
            self._backend.sync(self._path(head.seq))

    def _claims(self, last: Entry) -> int:
        """How many claims in a row the ledger ends with. Checks at least TAIL_CHECKED entries on the way."""
        claims, counting = 0, True
        for checked, entry in enumerate(self.backwards(last), start=1):
            counting = counting and entry.kind == "claim"
            claims += counting
            if not counting and checked >= TAIL_CHECKED:
                break
        return claims

    def _newest_seq(self) -> int:
        """The number of the newest entry, -1 for none: the last folder, and in it the last entry."""
        ledger = layout.ledger_folder(self._run, self._source)
        folders = [number for name in self._backend.list(ledger) if (number := layout.number_of(name)) is not None]
        for folder in reversed(folders):  # the last one may be empty: its maker died before the link
            names = self._backend.list(f"{ledger}/{folder:08d}")
            seqs = [seq for name in names if (seq := layout.seq_of(name)) is not None]
            if seqs:
                missing_folders = set(range(folder)).difference(folders)
                self._check_present(number * layout.ENTRIES_PER_FOLDER for number in missing_folders)
                self._check_present(set(range(folder * layout.ENTRIES_PER_FOLDER, seqs[-1])).difference(seqs))
                return seqs[-1]
        return -1

    def _check_present(self, unlisted: Iterable[int]) -> None:
        """Entries that a listing left out must be there all the same: it may have been made while they were added."""
        for seq in sorted(unlisted):
            self.read(seq)

    def _check_link(self, previous_sha256: str, entry: Entry) -> None:
        if entry.previous_sha256 != previous_sha256:
            before = self._path(entry.seq - 1) if entry.seq else "nothing"
            raise LedgerDamagedError(
                f"{before} is not what {self._path(entry.seq)} was written after: its sha256 is "
                f"{previous_sha256 or 'none'}, not {entry.previous_sha256 or 'none'}; one of the two was altered"
            )

    def _path(self, seq: int) -> str:
        return layout.entry_path(self._run, self._source, seq)
