"""What a partition holds, what the storage has of it, and the rules of the promise, held at every change."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from streamlake.engine.contracts import TopicFacts
from streamlake.engine.entries import Entry, FileEntry
from streamlake.engine.errors import PositionLostError
from streamlake.engine.records import Batch, OffsetRange, Refusal, TopicPartition, Verdict
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.entry import decoded
from streamlake.plugins.sinks.file.segments import unpacked

SOURCE = TopicPartition("t", 0)
RUN = "live-1"
TOPIC_ID = "id"


class ViolationError(Exception):
    """The promise does not hold. Not one of StreamLake's own errors, so that nothing on the way handles it."""


def require(holds: object, rule: str) -> None:
    """Stop the seed with the rule that was broken."""
    if not holds:
        raise ViolationError(rule)


@dataclass
class Topic:
    """A partition with the offsets `[low, end)`: each is accepted, refused, skipped, or a hole. `low` may move."""

    end: int
    holes: frozenset[int]
    refused: frozenset[int]
    skipped: frozenset[int]
    low: int = 0

    def read(self, first: int, rows: int) -> Batch:
        """The messages of the next `rows` offsets."""
        if first < self.low:
            raise PositionLostError("expired")
        following = min(first + rows, self.end)
        offsets = [offset for offset in range(first, following) if offset not in self.holes]
        count = len(offsets)
        values = [b"%d" % offset for offset in offsets]
        nothing = [None] * count
        within = OffsetRange(first, following)
        return Batch(SOURCE, within, 0, offsets, [1_000] * count, [1] * count, nothing, values, nothing)

    def slices(self, first: int, rows: int) -> Iterator[Batch]:
        """The same, message by message and hole by hole."""
        for offset in range(first, min(first + rows, self.end)):
            yield self.read(offset, 1)

    def decide(self, batch: Batch) -> Verdict:
        """The verdict that never changes."""
        return Verdict(
            refused=[Refusal(i, "invalid", "no") for i, offset in enumerate(batch.offsets) if offset in self.refused],
            skipped=[i for i, offset in enumerate(batch.offsets) if offset in self.skipped],
        )

    def letters_in(self, first: int, following: int) -> set[int]:
        """The offsets of `[first, following)` whose letters must reach the dead-letter topic."""
        return {offset for offset in self.refused if first <= offset < following}


@dataclass
class World:
    """The content of the storage, and all that follows from it."""

    topic: Topic
    objects: dict[str, bytes] = field(default_factory=dict)
    volatile: set[str] = field(default_factory=set)  # there, but gone after a power cut
    dropped: dict[str, bytes] = field(default_factory=dict)  # gone, but there again after a power cut
    late: list[Callable[[], object]] = field(default_factory=list)  # sent, and not yet arrived
    entries: list[Entry] = field(default_factory=list)
    files: dict[str, FileEntry] = field(default_factory=dict)  # of all entries, by final and by staged name
    seen: dict[int, str] = field(default_factory=dict)  # the visible file that each offset stands in
    staged_at: dict[str, int] = field(default_factory=dict)  # how many entries there were
    owners: dict[int, str] = field(default_factory=dict)  # who was told that it holds an epoch
    sent: set[int] = field(default_factory=set)
    reported: int | None = None
    moment: int = 0
    ids: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    # Changes of the storage --------------------------------------------------------------------------------------

    def put(self, path: str, data: bytes) -> None:
        """A file appears."""
        standing = self.objects.get(path)
        require(standing in (None, data), f"immutable: {path} was overwritten")
        if standing is not None:
            return
        self.objects[path] = data
        if path.startswith(layout.LEDGER):
            self._put_into_ledger(path, data)
        elif path.startswith(layout.STAGE):
            self.staged_at[path] = len(self.entries)
        else:
            self._show(path, data)

    def _put_into_ledger(self, path: str, data: bytes) -> None:
        if layout.segment_of(path.rpartition("/")[2]) is not None:
            for line in unpacked(data, path):
                entry = decoded(line, path)
                stands = entry.seq < len(self.entries) and self.entries[entry.seq].sha256 == entry.sha256
                require(stands, f"segment: {path} holds another entry {entry.seq} than the ledger")
            self.counts["folded"] += 1
        elif _segment_of(path) in self.objects:
            self.counts["put into a folded slot"] += 1  # a zombie's; nobody may be told that it counts
        else:
            self._append(decoded(data, path), path)

    def drop(self, path: str) -> None:
        """A file disappears."""
        if path in self.objects:
            segment = _segment_of(path)
            kept = segment in self.objects and segment not in self.volatile
            require(path.startswith(layout.STAGE) or kept, f"deleted: {path}")
            file = self.files.get(path)
            require(file is None or file.final in self.objects, f"lost: {path} is committed and not published")
            self.dropped[path] = self.objects.pop(path)
            self.volatile.discard(path)

    def cut_power(self, happens: Callable[[], bool]) -> None:
        """What was not durable may be gone, and what was dropped may be back; all rules hold for what is left."""
        for path in sorted(self.volatile):
            if happens():
                del self.objects[path]
        for path, data in sorted(self.dropped.items()):
            if happens():
                self.objects[path] = data
        self.volatile.clear()
        self.dropped.clear()
        self._restore()

    def _append(self, entry: Entry, path: str) -> None:
        self._check_follows(entry, path)
        if entry.kind != "claim":
            self._check_all_done(entry)
        for file in entry.files:
            require(file.staged in self.objects, f"lost: entry {entry.seq} names {file.staged}, which is not there")
            require(file.final not in self.objects, f"early: {file.final} is visible before its entry")
        self._account(entry)
        self.counts[entry.kind] += 1

    def _check_follows(self, entry: Entry, path: str) -> None:
        before = self.entries[-1] if self.entries else None
        require(path == layout.entry_path(RUN, SOURCE, len(self.entries)), f"dense: {path}")
        require(entry.first == (before.next if before else 0), f"tiling: entry {entry.seq} begins at {entry.first}")
        require(entry.previous_sha256 == (before.sha256 if before else ""), f"chain: entry {entry.seq}")
        epoch = before.epoch if before else 0
        if entry.kind == "claim":
            require(entry.epoch == epoch + 1, f"epoch: {epoch} is followed by {entry.epoch}")
        else:
            require(before is not None and before.kind != "close", f"close: followed by {entry.kind} {entry.seq}")
            require((entry.epoch, entry.writer) == (epoch, before and before.writer), f"fencing: entry {entry.seq}")

    def _check_all_done(self, entry: Entry | None) -> None:
        """All that was committed before `entry` is published and sent."""
        last = next((before for before in reversed(self.entries) if before.kind == "data"), None)
        if last is None:
            return
        for file in last.files:
            done = file.final in self.objects and file.staged not in self.objects
            require(done, f"order: something follows entry {last.seq} before {file.final} is published")
        unsent = self.topic.letters_in(last.first, last.next) - self.sent
        if entry is None or entry.kind != "gap":  # a gap hides no letters: recovery looks past it
            require(not unsent, f"order: something follows entry {last.seq} before its letters {unsent} are sent")

    def _account(self, entry: Entry) -> None:
        self.entries.append(entry)
        for file in entry.files:
            self.files[file.final] = self.files[file.staged] = file

    def _show(self, path: str, data: bytes) -> None:
        file = self.files.get(path)
        require(file is not None and file.final == path, f"uncommitted: {path} is visible")
        assert file is not None
        require(len(data) == file.bytes, f"content: {path}")
        for offset in offsets_in(file, data):
            require(offset not in self.seen, f"duplicate: offset {offset} in {path} and {self.seen.get(offset)}")
            self.seen[offset] = path

    def _restore(self) -> None:
        """Work out anew all that follows from the storage's content, with the same rules."""
        self.entries, self.files, self.seen = [], {}, {}
        for path, data in self._ledger():
            entry = decoded(data, path)
            self._check_follows(entry, path)
            self._account(entry)
        for path, data in self.objects.items():
            if not path.startswith((layout.LEDGER, layout.STAGE)):
                self._show(path, data)
        committed = [entry for entry in self.entries if entry.kind == "data"]
        for entry in committed:
            for file in entry.files:
                staged = entry is committed[-1] and file.staged in self.objects
                require(file.final in self.objects or staged, f"lost: {file.final} of entry {entry.seq}")
        self.owners = {claim.epoch: self.owners[claim.epoch] for claim in self.entries if claim.epoch in self.owners}
        left = self.entries[-1].next if self.entries else 0
        require(self.reported is None or self.reported <= left, f"report: {self.reported} is beyond what is left")

    def _ledger(self) -> Iterator[tuple[str, bytes]]:
        """Slot and content of each entry that is left, ascending: out of a segment where its folder has one."""
        for path, data in sorted(self.objects.items()):
            number = layout.segment_of(path.rpartition("/")[2])
            if number is not None:
                for seq, line in enumerate(unpacked(data, path), number * layout.ENTRIES_PER_FOLDER):
                    yield layout.entry_path(RUN, SOURCE, seq), line
            elif path.startswith(layout.LEDGER) and _segment_of(path) not in self.objects:
                yield path, data

    # What writers are told, and tell -----------------------------------------------------------------------------

    def facts(self) -> TopicFacts:
        """What the broker says."""
        return TopicFacts(TOPIC_ID, self.topic.low, self.topic.end, self.reported, 0.0)

    def told(self, entry: Entry) -> None:
        """An append that was answered with success."""
        stands = entry.seq < len(self.entries) and self.entries[entry.seq].sha256 == entry.sha256
        require(stands, f"told: entry {entry.seq} of {entry.writer} does not stand")

    def report(self, entry: Entry) -> None:
        """A position that the group's offset is set to."""
        require(entry.next <= self.entries[-1].next, f"report: {entry.next} is beyond the ledger")
        self.reported = entry.next

    def send(self, offset: int) -> None:
        """A letter that is in the dead-letter topic now."""
        committed = any(entry.kind == "data" and offset in entry.range for entry in self.entries)
        require(committed, f"letter: {offset} was sent before it was committed")
        self.sent.add(offset)

    def owns(self, epoch: int, writer: str) -> None:
        """A claim that was answered with success, rolled forward and collected."""
        owner = self.owners.setdefault(epoch, writer)
        require(owner == writer, f"epoch: {epoch} is held by {owner} and by {writer}")
        claim = next((entry for entry in self.entries if (entry.kind, entry.epoch) == ("claim", epoch)), None)
        require(claim is not None, f"claim: there is none for epoch {epoch}")
        assert claim is not None
        for path in self.objects:
            if path.startswith(layout.STAGE) and int(path.split("/")[-2]) < epoch:
                require(self.staged_at[path] > claim.seq, f"collection: {path} was there before the claim of {epoch}")

    def new_id(self) -> str:
        """A name that nobody had before."""
        self.ids += 1
        return f"{self.ids:06d}"

    def now(self) -> datetime:
        """A coarse clock, so that two writers often have the same time."""
        return datetime.fromtimestamp(1_700_000_000 + self.moment // 50, UTC)

    # The end -----------------------------------------------------------------------------------------------------

    def check_complete(self) -> None:
        """Every offset is where it belongs, and nothing is left lying about."""
        gaps = {offset for entry in self.entries if entry.kind == "gap" for offset in range(entry.first, entry.next)}
        wanted = set(range(self.topic.end)) - self.topic.holes - self.topic.skipped - gaps
        require(self.seen.keys() == wanted, f"complete: {sorted(self.seen)}, wanted {sorted(wanted)}")
        letters = {offset for offset, path in self.seen.items() if path.startswith("dead/")}
        require(letters == self.topic.refused - gaps, f"complete: dead letters {sorted(letters)}")
        require(letters <= self.sent, f"complete: never sent {sorted(letters - self.sent)}")
        self._check_all_done(None)
        orphans = sorted(path for path in self.objects if path.startswith(layout.STAGE))
        require(not orphans, f"orphans: {orphans}")


def _segment_of(slot: str) -> str:
    """The segment of the folder that a slot of the ledger is in."""
    return slot.rpartition("/")[0] + ".jsonl.xz"


def offsets_in(file: FileEntry, data: bytes) -> list[int]:
    """The offsets of a file's rows; in a raw file each value is its own offset."""
    if file.kind == "raw":
        return [int(line) for line in data.splitlines()]
    return [int(line.partition(b'"_offset":')[2].partition(b",")[0]) for line in data.splitlines()]
