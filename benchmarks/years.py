"""A partition's ledger after years: how soon its head is found, what of it is read, and what disk it takes.

    python benchmarks/years.py [--entries 1000000] [--folder FOLDER]

The real sink commits an entry a minute by its clock: a million are two years. The last WITH_FILES entries land a record
and its file; those before skip a tombstone each, which is quicker to make and as long a chain to follow. Only the syncs
are left out while the ledger is made, for nobody cuts the power here. Prints JSON; exits 1 when the head takes longer
than HEAD_SECONDS_MAX.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from streamlake.engine.contracts import PartitionJob
from streamlake.engine.entries import RunIdentity
from streamlake.engine.operations.prove import prove
from streamlake.engine.records import Batch, OffsetRange, TopicPartition, Verdict
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.local import LocalBackend
from streamlake.plugins.sinks.file.options import FileSinkOptions
from streamlake.plugins.sinks.file.partition import FilePartitionSink
from streamlake.plugins.sinks.file.reader import FileLedger
from streamlake.plugins.sinks.file.runs import register

SOURCE = TopicPartition("orders", 0)
RUN = "live-1"
BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
OPTIONS = FileSinkOptions.parse(
    {"root": "years", "format": "jsonl", "columns": "value", "compression": "none", "partition_by": "ingestion_date"}
)
JOB = PartitionJob(RUN, SOURCE, "id", 0, "json", "1", "json")
SAID_EVERY = 50_000
WITH_FILES = 20_000
HEAD_SECONDS_MAX = 1.0
T = TypeVar("T")


class CountingBackend(LocalBackend):
    """A folder that counts what it is asked."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked = Counter[str]()

    def read(self, path: str) -> bytes | None:
        """Count."""
        self.asked["read"] += 1
        return super().read(path)

    def list(self, folder: str) -> list[str]:
        """Count."""
        self.asked["list"] += 1
        return super().list(folder)


def make(root: Path, entries: int) -> None:
    """Land `entries` records, an entry each."""
    backend = LocalBackend(root)
    register(
        backend, RunIdentity(RUN, "orders", "group", "cluster", {SOURCE.topic: "id"}, {SOURCE: 0}, BEGAN.isoformat())
    )
    clock = [BEGAN]
    sink = FilePartitionSink(backend, JOB, OPTIONS, now=lambda: clock[0])
    with patch.object(os, "fsync", lambda _: None):
        sink.claim(sink.head())
        for offset in range(entries):
            clock[0] += timedelta(minutes=1)
            _land(sink, offset, skipped=offset < entries - WITH_FILES)
            if (offset + 1) % SAID_EVERY == 0:
                sys.stderr.write(f"years: {offset + 1} entries\n")


def _land(sink: FilePartitionSink, offset: int, *, skipped: bool) -> None:
    nothing = [None]
    within = OffsetRange(offset, offset + 1)
    batch = Batch(SOURCE, within, 0, [offset], [1_700_000_000_000], [1], nothing, [b'{"n":%d}' % offset], nothing)
    with sink.stage() as stage:
        stage.add(batch, Verdict(skipped=[0] if skipped else []), [])
        record = stage.seal()
    sink.commit(record)
    sink.publish(record)


def measured(root: Path, entries: int) -> dict[str, Any]:
    """What the ledger costs now."""
    backend = CountingBackend(root)
    seconds, head = _timed(FilePartitionSink(backend, JOB, OPTIONS).head)
    found: dict[str, Any] = {"entries": entries, "head": {"seconds": seconds, **backend.asked}}
    assert head.last is not None
    assert head.last.totals.landed + head.last.totals.skipped == entries
    since = BEGAN + timedelta(minutes=entries) - timedelta(days=1)
    backend = CountingBackend(root)
    seconds, proof = _timed(lambda: prove(FileLedger(backend), since=since))
    assert proof.holds, proof.defects
    found["prove --since, of the last day"] = {"seconds": seconds, "proven": proof.totals.entries, **backend.asked}
    found["ledger"] = _disk(root / "_ledger")
    segments = sorted(root.glob("_ledger/*/*/*/*.xz"))
    # The newest segments hold entries with files, as a real ledger's do.
    found["a folded entry with a file, bytes"] = segments[-1].stat().st_size / layout.ENTRIES_PER_FOLDER
    return found


def _timed(call: Callable[[], T]) -> tuple[float, T]:
    began = time.monotonic()
    result = call()
    return round(time.monotonic() - began, 3), result


def _disk(folder: Path) -> dict[str, float]:
    """Files below a folder, and what they take of the disk."""
    stats = [path.stat() for path in folder.rglob("*")]
    return {"files": len(stats), "MB": round(sum(stat.st_blocks for stat in stats) * 512 / 1e6, 1)}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep it here, and only measure what is here already")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="streamlake-years-") as temporary:
        root = asked.folder or Path(temporary)
        if not (root / "_ledger").exists():
            make(root, asked.entries)
        found = measured(root, asked.entries)
    print(json.dumps(found, indent=1))
    return 0 if found["head"]["seconds"] <= HEAD_SECONDS_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
