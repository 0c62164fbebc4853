"""The judge of tortured operations, which shares no code with the engine: each place of the root against Kafka.

    python tests/torture/operations/oracle.py SERVERS TOPIC ROOT     prints a verdict as JSON, exits 1 on any fault

What readers see (`raw/` and `dead/`) holds each record that Kafka delivers once, as the engine's oracle judges it, but
for offsets that an operator gave up. So does each replay that stands, for its range; what was superseded has kept its
bytes; and of a deleted replay nothing is left.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parents[2]))

from confluent_kafka import Message
from torture.operations.lake import deleted_in, files_below, runs_of, standing_replays
from torture.oracle import Lake, Place, delivered_by, entries_of, judge, lake_of, messages_of, rows_of, verdict

Delivered = Mapping[Place, bytes | None]
OPERATOR = "torture"
"""How the reasons of operators begin."""
Letter = tuple[Any, bool]
"""Where a record that was sent back comes from, and whether it is marked as one that may be there twice."""
GivenUp = Sequence[tuple[int, int, int]]
"""Partition, first and next offset."""


def judge_readers(delivered: Delivered, lake: Lake, aborted: Delivered, given_up: GivenUp = ()) -> list[str]:
    """What readers of the root see."""
    excused = {place for place in delivered.keys() - lake.times.keys() if _within(place, given_up)}
    due = {place: value for place, value in delivered.items() if place not in excused}
    return judge(due, lake, aborted=aborted)


def judge_replay(name: str, run: Mapping[str, Any], topic: str, delivered: Delivered, lake: Lake) -> Iterator[str]:
    """A replay that has finished and stands: all of its range, once each, below its own folder.

    What was read from files has no tombstones: they are nowhere.
    """
    starts, ends = run["starts"].get(topic, {}), run["ends"].get(topic, {})
    ranges = [(int(number), start, ends[number]) for number, start in starts.items()]
    gone = run.get("reads") == "lake"
    due = {
        place: value
        for place, value in delivered.items()
        if _within(place, ranges) and not (gone and value is None) and not (gone and place not in lake.times)
    }
    for fault in judge(due, lake):
        yield f"{name}: {fault}"


def judge_superseded(run: str, rows: Sequence[tuple[Place, bytes | None]], delivered: Delivered) -> Iterator[str]:
    """What a run has landed and others have taken over lies elsewhere, and is what it was."""
    seen: set[Place] = set()
    for place, value in rows:
        if place in seen:
            yield f"superseded {run}: doubled: {place} is there more than once"
        seen.add(place)
        if place in delivered and delivered[place] != value:
            yield f"superseded {run}: altered: {place} was {(delivered[place] or b'')[:80]!r} to Kafka"


def faults_of(root: Path, topic: str, delivered: Delivered, aborted: Delivered) -> Iterator[str]:
    """All there is to find under a root where nothing is at work."""
    runs = runs_of(root)
    gaps = [entry for entry in entries_of(root / "_ledger", topic, "live-*") if entry["kind"] == "gap"]
    for entry in gaps:
        if not entry["reason"].startswith(OPERATOR):
            yield f"gap: {entry['run']} gave up [{entry['first']}, {entry['next']}), and no operator said so"
    given_up = [(entry["partition"], entry["first"], entry["next"]) for entry in gaps]
    yield from judge_readers(delivered, lake_of(root, topic), aborted, given_up)
    standing = standing_replays(root)
    adopted = {run.get("adopts") for run in runs.values()}
    for name, run in sorted(runs.items()):
        if name in standing:
            yield from judge_replay(name, run, topic, delivered, replay_of(root, name, topic))
        left = files_below(root / "replays" / name)
        if left and name in adopted:
            yield f"left behind: {len(left)} files lie below replays/{name}"
        rows = [row for file in files_below(root / "superseded" / name) for row in rows_of(file)]
        yield from judge_superseded(name, rows, delivered)
    for name in deleted_in(root):
        for folder in (root / "replays" / name, root / "_stage" / name):
            if left := files_below(folder):
                yield f"left behind: {name} was deleted, and {len(left)} files lie below {folder.relative_to(root)}"


def redriven(message: Message) -> list[Letter]:
    """The one letter that a record is, if it was sent back; where it comes from, and whether it is in doubt."""
    headers = dict(cast("list[tuple[str, bytes]]", message.headers() or []))
    if "streamlake.redrive.id" not in headers:
        return []
    origin = tuple(headers[f"streamlake.origin.{name}"] for name in ("topic", "partition", "offset"))
    return [(origin, headers.get("streamlake.redrive.in_doubt") == b"true")]


def judge_redriven(letters: Sequence[Letter]) -> Iterator[str]:
    """Each letter was sent back once; what may be there once more says so."""
    for origin, times in Counter(origin for origin, in_doubt in letters if not in_doubt).items():
        if times > 1:
            yield f"doubled: the letter {origin} was sent back {times} times, and not marked"


def replay_of(root: Path, name: str, topic: str) -> Lake:
    """What lies below a replay's own folder, and what its ledger says it skipped."""
    return lake_of(root, topic, runs=name, output=f"replays/{name}")


def _within(place: Place, ranges: GivenUp) -> bool:
    return any(place[0] == partition and first <= place[1] < following for partition, first, following in ranges)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("servers")
    parser.add_argument("topic")
    parser.add_argument("root", type=Path)
    asked = parser.parse_args()
    delivered: dict[Place, bytes | None] = {}
    letters: list[Letter] = []
    for place, message in messages_of(asked.servers, asked.topic):
        delivered[place] = message.value()
        letters += redriven(message)
    lake = lake_of(asked.root, asked.topic)
    aborted: dict[Place, bytes | None] = {}
    if lake.times.keys() - delivered.keys():
        written = delivered_by(asked.servers, asked.topic, "read_uncommitted")
        aborted = {place: value for place, value in written.items() if place not in delivered}
    faults = [*faults_of(asked.root, asked.topic, delivered, aborted), *judge_redriven(letters)]
    found = {**verdict(faults, delivered, lake, aborted), "redriven": len(letters)}
    print(json.dumps(found))
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
