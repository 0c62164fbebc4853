"""One partition's ledger: immutable numbered entries, each naming the hash of the one before it.

Each entry is a file of its own in a numbered slot; that is what makes an append exclusive. Old ones are folded, a
folder at a time, into one read-only segment that holds the same bytes (`segments.py`), and their slots are emptied.
From then on the segment alone counts: a zombie that wakes up late finds its slot empty again, and may fill it. So
whoever appends looks for a segment **after** its put; and whoever reads a slot looks for one after that.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from streamlake.engine.accounting import FIRST_PREVIOUS
from streamlake.engine.contracts import Beat
from streamlake.engine.entries import Entry, Head
from streamlake.engine.errors import FencedError, LedgerDamagedError
from streamlake.engine.records import TopicPartition
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.base import Backend, Wait, put_settled
from streamlake.plugins.sinks.file.entry import decoded, digest, encoded
from streamlake.plugins.sinks.file.segments import SEGMENT_BYTES_MAX, packed, unpacked

TAIL_CHECKED = 32
"""How many entries back from the newest the hashes are checked on each start; `prove` checks all."""

SLOTS_AT_ONCE = 64
"""How many slots are read before somebody else gets his turn: his beat, or his first entry."""

FOLDERS_UNFOLDED = 2
"""How many of the newest folders are never folded: the head's, and at least a thousand entries before it."""


class PartitionLedger:
    """The entries of one partition in one run. Reads see what stands in the storage; only segments are remembered."""

    def __init__(self, backend: Backend, run: str, source: TopicPartition) -> None:
        self._backend = backend
        self._run = run
        self._source = source
        self._folded: set[int] = set()  # folders known to have a segment; a folder has it for ever
        self._opened: tuple[int, Sequence[bytes]] = (-1, ())  # the segment that was read last

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
        yield entry
        for before in self._read_all(range(entry.seq - 1, -1, -1)):
            self._check_link(before.sha256, entry)
            yield before
            entry = before
        self._check_link(FIRST_PREVIOUS, entry)

    def entries(self, first_seq: int = 0) -> Iterator[Entry]:
        """The entries from `first_seq` on, oldest first, each checked against the hash of the one before."""
        newest = self._newest_seq()
        previous = FIRST_PREVIOUS if first_seq == 0 else self.read(first_seq - 1).sha256
        for entry in self._read_all(range(first_seq, newest + 1)):
            self._check_link(previous, entry)
            previous = entry.sha256
            yield entry

    def read(self, seq: int) -> Entry:
        """Entry `seq`, which must be there. Raises LedgerDamagedError."""
        return next(self._read_all(range(seq, seq + 1)))

    def holds(self, seq: int) -> bool:
        """Whether anything stands in slot `seq`, or did before it was folded."""
        return self._backend.read(self._path(seq)) is not None or self._segment(_folder_of(seq)) is not None

    def append(self, entry: Entry, wait: Wait) -> Entry:
        """Put `entry` into its slot. Raises FencedError when the slot holds another writer's entry, or once did."""
        data, path = encoded(entry), self._path(entry.seq)
        stage = layout.epoch_folder(self._run, self._source, entry.epoch)
        standing = put_settled(self._backend, path, data, stage=stage, wait=wait)
        segment = self._segment(_folder_of(entry.seq))
        if segment is not None:
            # We come so late that this slot was folded: the segment counts, whatever stands in the slot now. It is left
            # there: whoever folds next drops it, after a look at whether the segment is durable.
            standing = segment[entry.seq % layout.ENTRIES_PER_FOLDER]
        if standing != data:
            raise FencedError(
                f"{self._source}: another writer has taken ledger entry {entry.seq} of run {self._run}; "
                f"nothing of this one's {entry.kind} was committed (writer {entry.writer})"
            )
        return replace(entry, sha256=digest(data))

    def make_durable(self, head: Head) -> None:
        """Make sure that a power cut can't take back the head we act on: its writer may have died before its fsync."""
        if head.seq >= 0:
            self._backend.sync(self._path(head.seq))

    def unfolded(self) -> Sequence[int]:
        """The folders that have slots, ascending: folded ones, too, where whoever folded them died on the way."""
        folders, _ = self._listed()
        return sorted(folders)

    def fold(self, folder: int, *, stage: str, wait: Wait, beat: Beat) -> None:
        """Fold one old, full folder into its segment; can be repeated, also by several at once.

        One whose entries are very long (thousands of holes each) stays as it is: it has no blocks to save. Raises
        LedgerDamagedError when its entries are not all there, whole, and what those on either side of them were
        written after or before; then nothing is changed.
        """
        path = layout.segment_path(self._run, self._source, folder)
        lines = self._whole_folder(folder, beat)
        if lines is None:
            return
        if self._segment(folder) is None:
            data = packed(lines, beat)
            standing = put_settled(self._backend, path, data, stage=stage, wait=wait)
            if standing != data and unpacked(standing, path) != lines:
                raise LedgerDamagedError(f"{path} does not hold the entries of its folder, which are still there")
        self._opened = (-1, ())
        # Whoever put it may have died before its fsync: the slots must not go before it is durable.
        self._backend.sync(path)
        slots = layout.entries_folder(self._run, self._source, folder)
        entries = [name for name in self._backend.list(slots) if layout.seq_of(name) is not None]
        self._backend.delete_all([f"{slots}/{name}" for name in entries])
        self._backend.remove_folder(slots)

    def _whole_folder(self, folder: int, beat: Beat) -> Sequence[bytes] | None:
        """The entries of a folder, each a line, checked with their neighbours; None for more than a segment takes."""
        first = folder * layout.ENTRIES_PER_FOLDER
        last = first + layout.ENTRIES_PER_FOLDER - 1
        lines: list[bytes] = []
        size, previous = 0, FIRST_PREVIOUS if first == 0 else self.read(first - 1).sha256
        for entry in self._read_all(range(first, last + 2)):
            beat()
            self._check_link(previous, entry)
            previous = entry.sha256
            if entry.seq <= last:
                lines.append(encoded(entry))
                size += len(lines[-1])
                if size > SEGMENT_BYTES_MAX:
                    return None
        return lines

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
        while True:
            folders, segments = self._listed()
            last_folded = max(segments, default=-1)
            for folder in sorted(folders, reverse=True):  # the last one may be empty: its maker died before the link
                if folder <= last_folded:
                    break
                names = self._backend.list(layout.entries_folder(self._run, self._source, folder))
                seqs = [seq for name in names if (seq := layout.seq_of(name)) is not None]
                if seqs:
                    missing_folders = set(range(folder)) - folders - segments
                    self._check_present(number * layout.ENTRIES_PER_FOLDER for number in missing_folders)
                    first = folder * layout.ENTRIES_PER_FOLDER
                    self._check_present(set(range(first, seqs[-1])).difference(seqs))
                    return seqs[-1]
            if self._segment(last_folded + 1) is None:
                if not segments:
                    return -1
                first = (last_folded + 1) * layout.ENTRIES_PER_FOLDER
                raise LedgerDamagedError(f"{self._path(first)} and all after it are missing; those before it are there")
            # Folded while we looked: look again.

    def _listed(self) -> tuple[set[int], set[int]]:
        """The numbers of the folders that have slots, and of those that have a segment."""
        names = self._backend.list(layout.ledger_folder(self._run, self._source))
        folders = {number for name in names if (number := layout.number_of(name)) is not None}
        segments = {number for name in names if (number := layout.segment_of(name)) is not None}
        self._folded |= segments
        return folders, segments

    def _check_present(self, unlisted: Iterable[int]) -> None:
        """Entries that a listing left out must be there all the same: it may have been made while they were added."""
        for seq in sorted(unlisted):
            self.read(seq)

    def _check_link(self, previous_sha256: str, entry: Entry) -> None:
        if entry.previous_sha256 != previous_sha256:
            before = self._place(entry.seq - 1) if entry.seq else "nothing"
            raise LedgerDamagedError(
                f"{before} is not what {self._place(entry.seq)} was written after: its sha256 is "
                f"{previous_sha256 or 'none'}, not {entry.previous_sha256 or 'none'}; one of the two was altered"
            )

    def _read_all(self, seqs: range) -> Iterator[Entry]:
        """The entries of consecutive numbers, upwards or downwards. Raises LedgerDamagedError.

        Slots are read in blocks that grow, none beyond a folder: after each block one look tells whether its folder
        was folded meanwhile.
        """
        size = 1
        while seqs:
            within = seqs[0] % layout.ENTRIES_PER_FOLDER
            in_folder = layout.ENTRIES_PER_FOLDER - within if seqs.step > 0 else within + 1
            block, seqs = seqs[: min(size, in_folder)], seqs[min(size, in_folder) :]
            for seq, line in zip(block, self._lines(block), strict=True):
                yield self._decoded(seq, line)
            size = min(2 * size, SLOTS_AT_ONCE)

    def _lines(self, seqs: range) -> Sequence[bytes]:
        """The bytes of some entries of one folder: out of its segment, or of their slots where it has none."""
        folder = _folder_of(seqs[0])
        if folder not in self._folded:
            slots = self._backend.read_all([self._path(seq) for seq in seqs])
            found = [slot for slot in slots if slot is not None]
            # Looked for after the slots: one that was folded meanwhile is empty, or holds what a zombie put there.
            if self._segment(folder) is None:
                if len(found) < len(seqs):
                    missing = self._path(seqs[slots.index(None)])
                    raise LedgerDamagedError(f"{missing} is missing, and later entries of this ledger are there")
                return found
        segment = self._segment(folder)
        if segment is None:
            path = layout.segment_path(self._run, self._source, folder)
            raise LedgerDamagedError(f"{path} is missing, and later entries of this ledger are there")
        return [segment[seq % layout.ENTRIES_PER_FOLDER] for seq in seqs]

    def _segment(self, folder: int) -> Sequence[bytes] | None:
        """The lines of a folder's segment; None where it has none. Raises LedgerDamagedError."""
        if self._opened[0] != folder:
            path = layout.segment_path(self._run, self._source, folder)
            data = self._backend.read(path)
            if data is None:
                return None
            self._folded.add(folder)
            self._opened = (folder, unpacked(data, path))
        return self._opened[1]

    def _decoded(self, seq: int, line: bytes) -> Entry:
        place = self._place(seq)
        entry = decoded(line, place)
        if (entry.run, entry.source, entry.seq) != (self._run, self._source, seq):
            raise LedgerDamagedError(f"{place} holds entry {entry.seq} of {entry.source} in run {entry.run}")
        return entry

    def _place(self, seq: int) -> str:
        """Where entry `seq` stands, for a person: its slot, or a line of a segment."""
        folder = _folder_of(seq)
        if folder not in self._folded:
            return self._path(seq)
        return f"{layout.segment_path(self._run, self._source, folder)} line {seq % layout.ENTRIES_PER_FOLDER + 1}"

    def _path(self, seq: int) -> str:
        return layout.entry_path(self._run, self._source, seq)


def _folder_of(seq: int) -> int:
    return seq // layout.ENTRIES_PER_FOLDER
