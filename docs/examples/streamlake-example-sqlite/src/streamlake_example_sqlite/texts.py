"""A ledger entry and a run's identity as the JSON that they are kept as."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

from streamlake.engine.entries import Entry, FileEntry, RunIdentity, Totals
from streamlake.engine.errors import LedgerDamagedError
from streamlake.engine.records import OffsetRange, TopicPartition

VERSION = 1


def entry_text(entry: Entry) -> str:
    """The text of an entry: always the same for the same entry."""
    fields = asdict(entry)
    del fields["sha256"]
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def digest(text: str) -> str:
    """What the next entry carries as `previous_sha256`."""
    return hashlib.sha256(text.encode()).hexdigest()


def entry_of(text: str) -> Entry:
    """The entry of a text. Raises LedgerDamagedError for one that was altered."""
    try:
        fields: dict[str, Any] = json.loads(text)
        fields["holes"] = tuple(OffsetRange(**each) for each in fields["holes"])
        fields["skipped_offsets"] = tuple(OffsetRange(**each) for each in fields["skipped_offsets"])
        fields["files"] = tuple(FileEntry(**each) for each in fields["files"])
        fields["totals"] = Totals(**fields["totals"])
        entry = Entry(**fields, sha256=digest(text))
    except (ValueError, TypeError, KeyError) as error:
        raise LedgerDamagedError(f"this is no ledger entry: {text[:200]!r}") from error
    if entry.version != VERSION or entry_text(entry) != text:
        raise LedgerDamagedError(f"this ledger entry was altered, or is of another version: {text[:200]!r}")
    return entry


def identity_text(identity: RunIdentity) -> str:
    """The text of a run's identity."""
    fields = {name: getattr(identity, name) for name in RunIdentity.__slots__}
    fields["topic_ids"] = dict(identity.topic_ids)
    for name in ("starts", "ends"):
        offsets = sorted(fields[name].items())
        fields[name] = [(source.topic, source.partition, offset) for source, offset in offsets]
    return json.dumps(fields)


def identity_of(text: str) -> RunIdentity:
    """The identity of a text."""
    fields: dict[str, Any] = json.loads(text)
    for name in ("starts", "ends"):
        fields[name] = {TopicPartition(topic, partition): offset for topic, partition, offset in fields.get(name, ())}
    return RunIdentity(**fields)
