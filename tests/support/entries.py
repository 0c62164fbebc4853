"""Ledger entries and files made up for tests, with everything that a test does not care about filled in."""

from collections.abc import Sequence

from streamlake.engine.entries import Entry, FileEntry, FileKind, Totals
from streamlake.engine.records import OffsetRange, TopicPartition

ORDERS = TopicPartition("orders", 3)


def file_entry(final: str = "raw/orders/a.parquet", *, kind: FileKind = "raw", rows: int = 0) -> FileEntry:
    """A file that a test knows by its final name."""
    return FileEntry(
        kind=kind,
        staged=f"_stage/{final}",
        final=final,
        rows=rows,
        bytes=0,
        sha256="",
        crc32c="",
        timestamp_ms_min=None,
        timestamp_ms_max=None,
    )


def data_entry(
    covered: OffsetRange,
    *,
    holes: Sequence[OffsetRange] = (),
    skipped_offsets: Sequence[OffsetRange] = (),
    files: Sequence[FileEntry] = (),
    refused: int = 0,
) -> Entry:
    """A data entry in the middle of a ledger whose counts add up."""
    skipped = sum(map(len, skipped_offsets))
    landed = len(covered) - sum(map(len, holes)) - skipped - refused
    return Entry(
        version=2,
        run="live-1",
        topic=ORDERS.topic,
        topic_id="topic-id",
        partition=ORDERS.partition,
        seq=7,
        kind="data",
        epoch=2,
        writer="writer-2",
        previous_sha256="hash of 6",
        first=covered.first,
        next=covered.next,
        leader_epoch=0,
        read=landed + refused + skipped,
        landed=landed,
        refused=refused,
        skipped=skipped,
        holes=tuple(holes),
        skipped_offsets=tuple(skipped_offsets),
        files=tuple(files),
        format="parquet",
        columns="envelope",
        validator="json",
        fingerprint="1",
        committed_at="2026-01-01T00:00:00+00:00",
        totals=Totals(),
        sha256="hash of 7",
    )
