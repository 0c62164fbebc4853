"""The checks of a sink that keeps notes (`abilities.NoteKeeper`); others have nothing to show here."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from streamlake.engine.abilities import NoteKeeper, Notes
from streamlake.engine.errors import ConfigError
from streamlake.engine.testing.checks import expect
from streamlake.engine.testing.sink_bench import ORDERS, SinkBench, landed, numbered

FOLDER = "_checks/notes"
WRITERS, ROUNDS = 8, 3
NOTE_BYTES = 300_000
WAIT_SECONDS = 60.0


def a_note_is_written_once(bench: SinkBench) -> None:
    """What stands there stays, also where it is empty; whoever writes later is told what stands there."""
    if not _keeps_notes(bench):
        return
    bench.begin()
    expect(_notes(bench).read(f"{FOLDER}/a") is None, "it reads a note that nobody wrote", "Notes.read")
    for name, data in ((f"{FOLDER}/a", b"first"), (f"{FOLDER}/empty", b"")):
        for told in (_notes(bench).write(name, data), _notes(bench).write(name, b"second")):
            expect(told == data, f"where {data!r} stands a writer is told {told!r}", "Notes.write")
        standing = _notes(bench).read(name)
        expect(standing == data, f"of {data!r} it reads {standing!r}", "Notes.read")


def of_writers_of_a_note_at_once_all_get_what_one_wrote(bench: SinkBench) -> None:
    """Of threads that write one name at once all are told the bytes of one of them, whole, and these stand there."""
    if not _keeps_notes(bench):
        return
    bench.begin()
    written = [b"%d" % number * NOTE_BYTES for number in range(WRITERS)]
    for number in range(ROUNDS):
        name, barrier = f"{FOLDER}/{number}", threading.Barrier(WRITERS)
        with ThreadPoolExecutor(WRITERS) as pool:
            racing = [pool.submit(_race, bench, barrier, name, data) for data in written]
            told = {one.result(WAIT_SECONDS) for one in racing}
        whole = told <= set(written)
        expect(whole, f"a writer was told {sorted(map(len, told))} bytes, which nobody wrote", "Notes.write")
        expect(len(told) == 1, f"of {WRITERS} writers {len(told)} are told that theirs stands there", "Notes.write")
        expect({_notes(bench).read(name)} == told, "it reads other bytes than writers were told", "Notes.read")


def notes_are_listed_beside_what_landed(bench: SinkBench) -> None:
    """All notes of a folder are named and read at once, and readers of what landed see none of them."""
    if not _keeps_notes(bench):
        return
    bench.begin()
    entry = landed(bench.claimed(), numbered(4), refused=[1])
    names = [f"{FOLDER}/{name}" for name in ("b", "a", "below/c")] + ["quality/checks/d.parquet"]
    for name in names:
        _notes(bench).write(name, name.encode())
    notes = _notes(bench)
    for folder, within in ((FOLDER, ["a", "b", "below"]), ("quality/checks", ["d.parquet"]), ("_checks/none", [])):
        listed = list(notes.names(folder))
        expect(listed == within, f"{folder} has {within}, and it names {listed}", "Notes.names")
    wanted: Sequence[bytes | None] = [*(name.encode() for name in names), None]
    read = list(notes.read_all([*names, f"{FOLDER}/none"]))
    expect(read == wanted, f"of {wanted} it reads {read}", "Notes.read_all")
    visible = sorted(bench.ledger().visible(ORDERS.topic))
    expect(visible == sorted(file.final for file in entry.files), f"visible are {visible}", "Ledger.visible")


def a_note_has_no_name_among_what_landed(bench: SinkBench) -> None:
    """A name elsewhere than below `quality` or a folder like `_complete` is refused."""
    if not _keeps_notes(bench):
        return
    bench.begin()
    for name in (f"raw/{ORDERS.topic}/a", "_checks/../raw/a", "/_checks/a", "_checks", ""):
        expect(_refused(_notes(bench).read, name), f"it took {name!r} for the name of a note", "Notes.read")
        expect(_refused(_notes(bench).write, name, b""), f"it took {name!r} for the name of a note", "Notes.write")


def _refused(call: Callable[..., object], *arguments: object) -> bool:
    try:
        call(*arguments)
    except ConfigError:
        return True
    return False


def _race(bench: SinkBench, barrier: threading.Barrier, name: str, data: bytes) -> bytes:
    notes = _notes(bench)
    barrier.wait(WAIT_SECONDS)
    return notes.write(name, data)


def _keeps_notes(bench: SinkBench) -> bool:
    return isinstance(bench.sink(), NoteKeeper)


def _notes(bench: SinkBench) -> Notes:
    """By an instance of its own."""
    sink = bench.sink()
    assert isinstance(sink, NoteKeeper), "the check has asked before"
    return sink.notes()
