"""What torture takes for a lie in what engines say: it has to see each kind, and nothing in what is true."""

import json
import lzma
from pathlib import Path

import pytest
from sinks.making import ORDERS, batch, claimed, landed, partition, staged
from structlog.testing import capture_logs
from torture.logs import lies_in

from streamlake.engine.errors import FencedError, LedgerDamagedError, StorageError
from streamlake.engine.records import OffsetRange
from streamlake.plugins.sinks.file import layout

ENTRIES = 1000


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "host-1.log"


def said(log: Path, error: Exception) -> None:
    """As the supervisor says it of a worker that ended."""
    log.write_text(json.dumps({"event": "worker ended", "why": str(error)}) + "\n")


def fenced(lake: Path) -> tuple[Path, FencedError]:
    """The slot that a zombie lost, and what it was told."""
    zombie = claimed(lake)
    record = staged(zombie, batch([b"1"]))
    claimed(lake)
    with pytest.raises(FencedError) as told:
        zombie.commit(record)
    return lake / layout.entry_path("live-1", ORDERS, 1), told.value


def given_to(slot: Path, error: FencedError) -> bytes:
    """The entry that stands there, as if the one that was fenced had written it."""
    entry = json.loads(slot.read_bytes())
    entry["writer"] = str(error).partition("(writer ")[2].rstrip(")")
    return json.dumps(entry).encode()


def test_a_writer_that_is_fenced_by_another_was_told_the_truth(tmp_path: Path, log: Path) -> None:
    said(log, fenced(tmp_path)[1])
    assert lies_in([log, tmp_path / "host-2.log"], tmp_path, ENTRIES) == []


def test_a_writer_that_is_fenced_and_has_the_slot_was_not(tmp_path: Path, log: Path) -> None:
    slot, error = fenced(tmp_path)
    slot.write_bytes(given_to(slot, error))
    said(log, error)
    assert lies_in([log], tmp_path, ENTRIES) == [f"false: {str(error).strip()}; it stands there"]


def test_of_a_folded_slot_the_segment_counts(tmp_path: Path, log: Path) -> None:
    slot, error = fenced(tmp_path)
    first = slot.with_name("000000000000.json").read_bytes()
    slot.parent.with_name("00000000.jsonl.xz").write_bytes(lzma.compress(first + given_to(slot, error) + b"\n"))
    said(log, error)
    assert len(lies_in([log], tmp_path, ENTRIES)) == 1


def test_a_slot_that_is_gone_shows_nothing(tmp_path: Path, log: Path) -> None:
    slot, error = fenced(tmp_path)
    slot.unlink()
    said(log, error)
    assert lies_in([log], tmp_path, ENTRIES) == []


def test_whoever_finds_damage_where_nobody_tampers_is_seen(tmp_path: Path, log: Path) -> None:
    sink = claimed(tmp_path)
    landed(sink, batch([b"1"]))
    slot = tmp_path / layout.entry_path("live-1", ORDERS, 0)
    whole = slot.read_bytes()
    errors = []
    for damaged in (None, whole[:50], whole.replace(b'"claim"', b'"close"'), whole.replace(b'"json"', b'"jsom"')):
        slot.unlink() if damaged is None else slot.write_bytes(damaged)
        with pytest.raises(LedgerDamagedError) as told:
            partition(tmp_path).head()
        errors.append(told.value)
    for error in errors:
        said(log, error)
        assert lies_in([log], tmp_path, ENTRIES), error


def test_a_committed_file_that_is_gone_is_seen(tmp_path: Path, log: Path) -> None:
    sink = claimed(tmp_path)
    record = staged(sink, batch([b"1"]))
    sink.commit(record)
    (tmp_path / record.files[0].staged).unlink()
    with capture_logs() as logs:
        sink.publish(record)
    log.write_text("".join(json.dumps(line) for line in logs))
    assert len(lies_in([log], tmp_path, ENTRIES)) == 1


def test_a_disk_that_fails_is_no_lie(tmp_path: Path, log: Path) -> None:
    said(log, StorageError(f"can't sync {tmp_path}: Input/output error (errno 5), at {OffsetRange(1, 2)}"))
    assert lies_in([log], tmp_path, ENTRIES) == []


def test_a_traceback_is_seen_and_shown(tmp_path: Path, log: Path) -> None:
    said = 'what it did before\nTraceback (most recent call last):\n  File "x.py", line 1\nKeyError: 7\n'
    log.write_text(said)
    assert lies_in([log], tmp_path, ENTRIES) == [f"bug: host-1.log says {said}"]
