"""The checks of a sink's reading side: rows and letters byte for byte, a chain of entries, and `prove` over all."""

import hashlib
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pyarrow as pa

from streamlake.engine.abilities import RecordLedger
from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import FileEntry
from streamlake.engine.operations.prove import Subject, prove
from streamlake.engine.records import ArrowColumns, TopicPartition
from streamlake.engine.testing.checks import expect
from streamlake.engine.testing.sink_bench import (
    IDENTITY,
    ORDERS,
    RUN,
    SinkBench,
    batch_of,
    landed,
    letter_of,
    numbered,
    rows_of,
)

PAYLOADS = (
    b'{"a": 1}',
    b' {"a" :\t1.50 } ',
    b'{"a":1,"a":2}',
    '{"ü": "\u2028 \U0001f30a"}'.encode(),
    b'{"quotes": "\'\\"`;--, \\u0000"}',
    b"[" * 64 + b"]" * 64,
    b'{"long": "' + b"x" * 70_000 + b'"}',
    b"12345678901234567890.10",
)
"""Valid JSON that a careless sink writes otherwise than it came. A format of lines keeps no line breaks."""

RAW_PAYLOADS = (b"", b"\x00", b"\xff\xfe", b"a\r\nb\n", bytes(range(256)), b"'; DROP TABLE rows; --")
"""Any bytes, as the validator `none` lets them land."""


def payloads_land_byte_for_byte(bench: SinkBench) -> None:
    """An accepted payload is never parsed, normalised or trimmed: what is read back is what came."""
    bench.begin()
    sink, of = bench.claimed(), batch_of(PAYLOADS)
    landed(sink, of)
    expect(bench.seen() == rows_of(of), f"landed are {bench.seen()}", "BatchStage.add")


def any_bytes_land_byte_for_byte(bench: SinkBench) -> None:
    """With a validator whose payload is `bytes`, values are no text: empty ones, NUL and line breaks land, too."""
    any_bytes = SinkBench(bench.sink_class, bench.options, bench.base_dir, payload="bytes")
    any_bytes.begin()
    of = batch_of(RAW_PAYLOADS)
    landed(any_bytes.claimed(), of)
    expect(any_bytes.seen() == rows_of(of), f"landed are {any_bytes.seen()}", "BatchStage.add")


def dead_letters_are_kept_as_they_were(bench: SinkBench) -> None:
    """A dead letter is read back with value, key and headers as they were, any bytes, and why it was refused."""
    bench.begin()
    of = batch_of([b"", b"\xff\x00 not json", None, b"{}" * 40_000, b"'\"\n"])
    refused = range(len(of))
    landed(bench.claimed(), of, refused=refused)
    ledger = bench.ledger()
    letters = [
        letter
        for entry in bench.entries()
        for file in entry.files
        if file.kind == "dead"
        for letter in ledger.dead_letters(file)
    ]
    expect(letters == [letter_of(of, index) for index in refused], f"read back: {letters}", "Ledger.dead_letters")
    expect(not bench.seen(), f"refused ones landed: {bench.seen()}", "BatchStage.add")


def records_are_read_again_as_they_came(bench: SinkBench) -> None:
    """A `RecordLedger`, which no sink has to have, gives back whole records, and of each row what it says."""
    ledger = bench.ledger()
    if not isinstance(ledger, RecordLedger):
        return
    bench.begin()
    of = batch_of([*PAYLOADS, b"no json"])
    refused = len(of) - 1
    landed(bench.claimed(), of, refused=[refused])
    files = [file for entry in bench.entries() for file in entry.files]
    columns = (of.offsets, of.timestamps_ms, of.timestamp_types, of.keys, of.headers, of.values)
    expected = [
        (*row[:4], [{"name": name, "value": value} for name, value in row[4]] if row[4] else None, row[5])
        for row in zip(*columns, strict=True)
    ]
    found = _read(part for file in files for part in ledger.records(file))
    expect([tuple(row.values()) for row in found] == expected, f"read again: {found}", "RecordLedger.records")
    rows = _read(part for file in files if file.kind == "raw" for part in ledger.contents(file))
    values = [{"_offset": offset, "value": value} for offset, value in rows_of(of, [refused])]
    expect(rows == values, f"rows say {rows}", "RecordLedger.contents")
    letters = _read(part for file in files if file.kind == "dead" for part in ledger.contents(file))
    why = [{"_offset": refused, "reason": "invalid", "field": "/n"}]
    expect(letters == why, f"refused are {letters}", "RecordLedger.contents")


def entries_are_chained(bench: SinkBench) -> None:
    """Each entry names the sha256 of the one before, and its totals are those of the one before with its own counts."""
    _years(bench)
    entries = bench.entries()
    expect(entries[0].previous_sha256 == "", "the first entry follows another one", "Ledger.entries")
    for before, entry in pairwise(entries):
        linked = before.sha256 and entry.previous_sha256 == before.sha256
        expect(linked, f"entry {entry.seq} does not name the hash of the one before", "Ledger.entries")
        totals = before.totals.plus(entry.kind, entry, entry.committed_at)
        expect(entry.totals == totals, f"the totals of entry {entry.seq} are {entry.totals}", "Ledger.entries")
    hashes = {entry.sha256 for entry in entries}
    expect(len(hashes) == len(entries), "two entries have one hash", "Ledger.entries")
    for seq in (0, 3, len(entries) - 1, len(entries)):
        found = list(bench.ledger().entries(RUN, ORDERS, seq))
        expect(found == entries[seq:], f"from entry {seq} on it reads {found}", "Ledger.entries")
    written = bench.partition().head().last
    expect(written == entries[-1], f"the head's last is {written}", "PartitionSink.head")


def the_ledger_reads_what_was_committed(bench: SinkBench) -> None:
    """Runs, partitions, sizes, checksums, rows and names are found to be what the entries say."""
    _years(bench)
    ledger = bench.ledger()
    expect(list(ledger.runs()) == [IDENTITY], f"the runs are {ledger.runs()}", "Ledger.runs")
    expect(list(ledger.partitions(RUN)) == [ORDERS], f"partitions: {ledger.partitions(RUN)}", "Ledger.partitions")
    expect(not ledger.partitions("replay-9"), "a run that is none has partitions", "Ledger.partitions")
    files = [file for entry in bench.entries() for file in entry.files]
    for file in files:
        _inspected(ledger, file)
    visible = sorted(ledger.visible(ORDERS.topic))
    expect(visible == sorted(file.final for file in files), f"visible are {visible}", "Ledger.visible")
    expect(not list(ledger.visible("checked")), "a topic without rows has names", "Ledger.visible")


def prove_holds(bench: SinkBench) -> None:
    """`streamlake prove` finds nothing amiss over claims, data, letters, skips, holes, gaps, deaths and closes."""
    _years(bench)
    landed(bench.claimed(TopicPartition("_hidden", 0)), numbered(3, source=TopicPartition("_hidden", 0)), refused=[1])
    subject = Subject(IDENTITY.pipeline, IDENTITY.group_id, [ORDERS.topic, "_hidden"])
    for quick in (True, False):
        proof = prove(bench.ledger(), subject, quick=quick)
        defects = "; ".join(f"{defect.kind}: {defect.message} {defect.path or ''}" for defect in proof.defects)
        expect(proof.holds, f"prove found {defects}", "Ledger")
        totals = proof.totals
        counts = (totals.rows, totals.dead_letters, totals.skipped, totals.gaps, len(proof.notes))
        expect(counts == (30 + 2, 5 + 1, 5, 7, 0), f"prove counts {totals}, notes {proof.notes}", "Ledger")


def _years(bench: SinkBench) -> None:
    """A life of a partition: four owners, of whom two die, five batches of eight and a gap of seven."""
    bench.begin()
    for owner in range(4):
        sink = bench.claimed()
        for _ in range(2 if owner == 0 else 1):
            first = sink.head().next
            landed(sink, numbered(8, first), refused=[3], skipped=[5])
        if owner == 1:
            sink.skip_to(sink.head().next + 7, "expired")
        if owner % 2:
            sink.close()


def _read(parts: Iterable[ArrowColumns]) -> list[dict[str, Any]]:
    """The rows of any files, in the order of their offsets."""
    rows = [row for part in parts for row in pa.table(part).to_pylist()]
    return sorted(rows, key=lambda row: row["_offset"])


def _inspected(ledger: Ledger, file: FileEntry) -> None:
    for checksum in (False, True):
        facts = ledger.inspect(file, checksum=checksum)
        expect(facts is not None, f"{file.final} is gone", "Ledger.inspect")
        assert facts is not None
        found = (facts.published, facts.bytes, facts.sha256)
        expected = (True, file.bytes, file.sha256 if checksum else None)
        expect(found == expected, f"{file.final} is found to be {facts}, committed was {file}", "Ledger.inspect")
    expect(ledger.rows(file) == file.rows, f"{file.final} has {ledger.rows(file)} rows", "Ledger.rows")
    expect(len(file.sha256) == len(hashlib.sha256().hexdigest()), f"{file.sha256!r} is no sha256", "FileEntry.sha256")
    gone = FileEntry(
        **{name: getattr(file, name) for name in FileEntry.__slots__ if name not in ("staged", "final")},
        staged=f"{file.staged}.gone",
        final=file.final.replace("-0000", "-0009", 1),
    )
    expect(ledger.inspect(gone, checksum=True) is None, "it finds what nobody committed", "Ledger.inspect")
