"""Tampers with a landed lake: carelessly (bytes change, the ledger does not), or by somebody who forges the hashes."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import google_crc32c
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from support.lake import Lake

from streamlake.engine.entries import Totals
from streamlake.engine.records import TopicPartition

Fields = dict[str, Any]


def overwrite(path: Path, data: bytes) -> None:
    """Put other bytes under a name that was never meant to change."""
    path.chmod(0o644)
    path.write_bytes(data)


def flip(path: Path, at: int) -> None:
    """Change one bit."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    overwrite(path, bytes(data))


def entry_paths(lake: Lake, source: TopicPartition) -> list[Path]:
    """The files of a partition's ledger, in order."""
    return lake.files(f"_ledger/{lake.identity.run}/{source.topic}/{source.partition:05d}")


def forge_ledger(lake: Lake, source: TopicPartition, change: Callable[[list[Fields]], None]) -> None:
    """Change the entries, and make the totals and the hash chain whole again."""
    paths = entry_paths(lake, source)
    entries: list[Fields] = [orjson.loads(path.read_bytes()) for path in paths]
    change(entries)
    previous, totals = "", Totals()
    for path, fields in zip(paths, entries, strict=False):
        fields["previous_sha256"] = previous
        totals = totals_after(totals, fields)
        fields["totals"] = asdict(totals)
        data = orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
        overwrite(path, data)
        previous = hashlib.sha256(data).hexdigest()
    for path in paths[len(entries) :]:
        path.unlink()


def totals_after(before: Totals, fields: Fields) -> Totals:
    """The totals that an honest writer of this entry would have said."""
    if fields["kind"] == "gap":
        return replace(before, gaps=before.gaps + fields["next"] - fields["first"])
    if fields["kind"] != "data":
        return before
    return Totals(
        landed=before.landed + fields["landed"],
        refused=before.refused + fields["refused"],
        skipped=before.skipped + fields["skipped"],
        holes=before.holes + sum(following - first for first, following in fields["holes"]),
        gaps=before.gaps,
        files=before.files + len(fields["files"]),
        bytes=before.bytes + sum(file["bytes"] for file in fields["files"]),
        committed_at=fields["committed_at"],
    )


def forge_file(lake: Lake, source: TopicPartition, path: Path, data: bytes) -> None:
    """Put other bytes under a file's name, and their size and hashes into the ledger."""
    overwrite(path, data)
    final = path.relative_to(lake.root).as_posix()

    def change(entries: list[Fields]) -> None:
        for file in (file for entry in entries for file in entry["files"]):
            if file["final"] == final:
                crc32c = f"{google_crc32c.value(data):08x}"
                file.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), crc32c=crc32c)

    forge_ledger(lake, source, change)


def forge_rows(lake: Lake, source: TopicPartition, path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of a Parquet file, its hash in the ledger, too; the entry's counts stay as they were."""
    out = pa.BufferOutputStream()
    pq.write_table(change(pq.read_table(path, partitioning=None)), out)
    forge_file(lake, source, path, out.getvalue().to_pybytes())
