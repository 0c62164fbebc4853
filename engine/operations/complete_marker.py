"""The marker of a complete hour: two files of which each is written once, the positions first.

    _complete/<topic>/hour=2026-01-31T06/positions.json    how far each partition was: from here on it is decided
    _complete/<topic>/hour=2026-01-31T06/_COMPLETE         empty; what downstream waits for

Whoever dies between the two leaves an hour that is decided, and whose marker the same command writes. They lie in a
folder of their own below the root and not beside the rows: there is one place however the rows are partitioned, and
nothing that reads `raw/` meets them.
"""

import json
from dataclasses import asdict
from typing import Any

from streamlake.engine.abilities import Notes
from streamlake.engine.codes.ledger import UNKNOWN_VERSION
from streamlake.engine.errors import LedgerDamagedError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.names import topic_folder
from streamlake.engine.operations.complete_types import Passed, Position, Positions
from streamlake.engine.operations.hours import Hour

FOLDER = "_complete"
MARKER = "_COMPLETE"
POSITIONS = "positions.json"
VERSION = 1


def marker_path(topic: str, hour: Hour) -> str:
    """The empty file that says it, relative to the root."""
    return f"{_folder(topic, hour)}/{MARKER}"


def read_positions(notes: Notes, topic: str, hour: Hour) -> Positions | None:
    """What was decided of an hour; None where nothing was. Raises LedgerDamagedError."""
    path = f"{_folder(topic, hour)}/{POSITIONS}"
    data = notes.read(path)
    return None if data is None else _decoded(data, path)


def write_positions(notes: Notes, positions: Positions) -> Positions:
    """Decide that an hour is complete; what stands there now, if somebody else was first."""
    path = f"{_folder(positions.topic, positions.hour)}/{POSITIONS}"
    failpoint("before_positions")
    standing = _decoded(notes.write(path, _encoded(positions)), path)
    failpoint("after_positions")
    return standing


def marked(notes: Notes, topic: str, hour: Hour) -> bool:
    """Whether the marker of an hour that is decided stands there."""
    return notes.read(marker_path(topic, hour)) is not None


def mark(notes: Notes, topic: str, hour: Hour) -> None:
    """Write the marker of an hour that is decided; can be repeated."""
    notes.write(marker_path(topic, hour), b"")
    failpoint("after_complete")


def _folder(topic: str, hour: Hour) -> str:
    return f"{FOLDER}/{topic_folder(topic)}/hour={hour}"


def _encoded(positions: Positions) -> bytes:
    document = {
        "version": VERSION,
        "pipeline": positions.pipeline,
        "topic": positions.topic,
        "topic_id": positions.topic_id,
        "hour": str(positions.hour),
        "lateness_seconds": positions.lateness_seconds,
        "written_at": positions.written_at,
        "partitions": {
            str(partition): {**asdict(passed.position), "passed_by": passed.by, "passed_at": passed.at}
            for partition, passed in sorted(positions.partitions.items())
        },
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def _decoded(data: bytes, path: str) -> Positions:
    try:
        said: dict[str, Any] = json.loads(data)
        if said["version"] != VERSION:
            raise LedgerDamagedError(
                f"{path} is of a version that this StreamLake does not know (it knows {VERSION})", code=UNKNOWN_VERSION
            )
        return Positions(
            pipeline=said["pipeline"],
            topic=said["topic"],
            topic_id=said["topic_id"],
            hour=Hour.parse(said["hour"]),
            lateness_seconds=said["lateness_seconds"],
            written_at=said["written_at"],
            partitions={int(partition): _passed(one) for partition, one in said["partitions"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LedgerDamagedError(f"{path} holds no positions ({len(data)} bytes, cut short or altered)") from error


def _passed(said: dict[str, Any]) -> Passed:
    position = Position(**{name: said[name] for name in Position.__slots__})
    return Passed(position, said["passed_by"], said["passed_at"])
