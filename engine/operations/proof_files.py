"""The files of one entry: whether each is there, under its final name, and is what was committed; and its rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import pyarrow as pa

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry, FileEntry
from streamlake.engine.errors import FileDamagedError
from streamlake.engine.operations.proof_rows import FileOffsets, row_defects
from streamlake.engine.operations.proof_types import Defect, DefectKind
from streamlake.engine.operations.spans import Offsets


@dataclass(slots=True)
class FilesFound:
    """What looking at an entry's files gave: defects, files that still wait for their final name, readable columns."""

    defects: list[Defect] = field(default_factory=list)
    staged: list[FileEntry] = field(default_factory=list)
    columns: list[FileOffsets] = field(default_factory=list)
    sound: bool = True  # every file is there, unaltered and readable


def look_at_files(ledger: Ledger, entry: Entry, *, quick: bool) -> FilesFound:
    """Look at every file of `entry`; `quick` looks at names and sizes only and opens nothing.

    A file that stands under its staged name alone is no defect here: who knows the entries after it decides.
    """
    found = FilesFound()
    complete = True
    for file in entry.files:
        facts = ledger.inspect(file, checksum=not quick)
        if facts is None:
            found.defects.append(_defect(entry, file, "missing", "neither under its final nor its staged name"))
            complete = False
            continue
        if not facts.published:
            found.staged.append(file)
        alterations = list(_alterations(file, facts.bytes, facts.sha256))
        found.defects += [_defect(entry, file, "altered", message) for message in alterations]
        if not quick:
            complete &= _read(ledger, entry, file, found)
    found.sound = not found.defects
    if not quick and entry.kind == "data":
        found.defects += row_defects(entry, found.columns, complete=complete)
    return found


def _alterations(file: FileEntry, size: int, sha256: str | None) -> Iterator[str]:
    if size != file.bytes:
        yield f"{size} bytes, {file.bytes} were committed"
    elif sha256 is not None and sha256 != file.sha256:
        yield f"its sha256 is {sha256}, {file.sha256} was committed"


def _read(ledger: Ledger, entry: Entry, file: FileEntry, found: FilesFound) -> bool:
    """Read a file's offsets into `found` and compare the number of rows; False when its offsets are not known."""
    try:
        offsets = int64_array(ledger.offsets(file))
        rows = ledger.rows(file) if offsets is None else len(offsets)
    except FileDamagedError as damage:
        found.defects.append(_defect(entry, file, "altered", str(damage)))
        return False
    if rows != file.rows:
        found.defects.append(_defect(entry, file, "rows", f"{rows} rows, {file.rows} were committed"))
    if offsets is None:
        return False
    if offsets.null_count:
        found.defects.append(_defect(entry, file, "foreign", f"{offsets.null_count} rows have no offset"))
        offsets = offsets.drop_null()
    found.columns.append((file, offsets))
    return True


def int64_array(column: object | None) -> "Offsets | None":
    """What `Ledger.offsets` gave as one plain int64 array; None stays None."""
    if column is None:
        return None
    assert isinstance(column, pa.Array | pa.ChunkedArray), f"offsets are {type(column).__name__}, not an Arrow array"
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return cast("Offsets", whole.cast(pa.int64()))


def _defect(entry: Entry, file: FileEntry, kind: DefectKind, message: str) -> Defect:
    return Defect(kind, message, entry.run, entry.source, entry.range, file.final)
