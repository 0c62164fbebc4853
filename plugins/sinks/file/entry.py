"""A ledger entry and the bytes it is kept as: one line of JSON, always the same bytes for the same entry."""

import hashlib
from typing import Any

import orjson

from streamlake.engine.codes.ledger import UNKNOWN_VERSION
from streamlake.engine.entries import Entry, FileEntry, Totals
from streamlake.engine.errors import LedgerDamagedError
from streamlake.engine.records import OffsetRange

VERSION = 2

ENTRY_FIELDS = tuple(field for field in Entry.__slots__ if field != "sha256")
FILE_FIELDS = tuple(FileEntry.__slots__)
TOTALS_FIELDS = tuple(Totals.__slots__)
KINDS = ("claim", "data", "gap", "close")


def encoded(entry: Entry) -> bytes:
    """The bytes of `entry`: its fields in the order of the contract, ranges as pairs, no `sha256`."""
    fields: dict[str, Any] = {name: getattr(entry, name) for name in ENTRY_FIELDS}
    fields["holes"] = [(hole.first, hole.next) for hole in entry.holes]
    fields["skipped_offsets"] = [(skipped.first, skipped.next) for skipped in entry.skipped_offsets]
    fields["files"] = [{name: getattr(file, name) for name in FILE_FIELDS} for file in entry.files]
    fields["totals"] = {name: getattr(entry.totals, name) for name in TOTALS_FIELDS}
    if not entry.final:
        del fields["final"]
    if not entry.cpu_seconds:
        del fields["cpu_seconds"]
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def decoded(data: bytes, path: str) -> Entry:
    """The entry that `data`, found at `path`, holds. Raises LedgerDamagedError, naming the path and what is wrong."""
    try:
        fields: dict[str, Any] = orjson.loads(data)
        version = fields["version"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise LedgerDamagedError(f"{path} is no ledger entry ({len(data)} bytes, cut short or altered)") from error
    if version != VERSION:
        raise LedgerDamagedError(
            f"{path} is of version {version!r}; this StreamLake knows version {VERSION} only", code=UNKNOWN_VERSION
        )
    try:
        entry = _built(fields, digest(data))
        altered = _inconsistency(entry) or ("not as it was written" if encoded(entry) != data else "")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LedgerDamagedError(f"{path} was altered: {type(error).__name__} {error}") from error
    if altered:
        raise LedgerDamagedError(f"{path} was altered: {altered}")
    return entry


def digest(data: bytes) -> str:
    """The sha256 of an entry's bytes: what the next entry carries as `previous_sha256`."""
    return hashlib.sha256(data).hexdigest()


def _built(fields: dict[str, Any], sha256: str) -> Entry:
    fields["holes"] = tuple(OffsetRange(*pair) for pair in fields["holes"])
    fields["skipped_offsets"] = tuple(OffsetRange(*pair) for pair in fields["skipped_offsets"])
    fields["files"] = tuple(FileEntry(**file) for file in fields["files"])
    fields["totals"] = Totals(**fields["totals"])
    return Entry(**fields, sha256=sha256)


def _inconsistency(entry: Entry) -> str:
    """What in an entry contradicts itself; the last entry has no successor whose hash would tell."""
    holes = sum(map(len, entry.holes))
    if entry.landed + entry.refused + entry.skipped + holes != len(entry.range):
        return f"landed + refused + skipped + holes are not the {len(entry.range)} offsets of {entry.range}"
    if entry.kind not in KINDS:
        return f"no kind {entry.kind!r}"
    rows = {"raw": entry.landed, "dead": entry.refused}
    for file in entry.files:
        rows[file.kind] -= file.rows
    if entry.final and entry.kind != "close":
        return f"a {entry.kind} entry can't be final"
    if any(rows.values()):
        return f"the rows of its files are not the {entry.landed} landed and {entry.refused} refused"
    return ""
