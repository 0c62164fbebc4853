"""The judge of a torture run, which shares no code with the engine: what Kafka delivers, against what lies in the lake.

    python tests/torture/oracle.py SERVERS TOPIC ROOT [--compacted]     prints a verdict as JSON, exits 1 on any fault

The topic is read by a plain `read_committed` consumer, the files by DuckDB, the ledger (for what was skipped by
policy, and for nothing else) as JSON. Every record carries its producer's number and a checksum, so that a value that
was altered on any side shows by itself. What was landed and not delivered is looked for among the records of aborted
transactions, which Kafka itself may hand out. `Watcher` looks at `raw/` while the engine runs, as any reader may.
"""

import argparse
import base64
import hashlib
import json
import lzma
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

Place = tuple[int, int]
"""Partition and offset."""

FAULTS_SHOWN = 20

TO_THE_END = {
    "fetch.message.max.bytes": 200_000_000,
    "fetch.max.bytes": 200_000_000,
    "receive.message.max.bytes": 10**9,
}
"""Each fetch brings all there is, for Kafka 4.3.1 delivers aborted records where one ends in the middle of the log.

A follower that catches up notes a last stable offset that is too high beside an aborted transaction; once it leads, it
stops looking for others there, when the fetch ends before that offset. `tests/faults/test_kafka_elections.py` shows it.
While a transaction is open, every fetch ends there: an engine may still be given some.
"""

ABORTED_SHARE_MAX = 0.05
"""Of all aborted records; an engine that reads uncommitted ones lands nearly all of them."""


@dataclass
class Lake:
    """What stands under a root: the payload of each row by place, every place counted."""

    raw: dict[Place, bytes] = field(default_factory=dict)
    dead: dict[Place, bytes | None] = field(default_factory=dict)
    skipped: set[Place] = field(default_factory=set)
    times: Counter[Place] = field(default_factory=Counter)


def record(producer: str, sequence: int, filling: bytes) -> bytes:
    """A self-checking record: valid JSON whose `sum` is over all the rest."""
    body = b'"producer":"%b","sequence":%d,"filling":"%b"' % (producer.encode(), sequence, filling)
    return b'{%b,"sum":%d}' % (body, zlib.crc32(body))


def is_whole(value: bytes) -> bool:
    """Whether a JSON record's checksum fits the rest of it."""
    body, separator, tail = value.rpartition(b',"sum":')
    return bool(separator) and tail[:-1].isdigit() and int(tail[:-1]) == zlib.crc32(body[1:])


def is_json(value: bytes) -> bool:
    """By the standard library: good enough for records of the workload, which leave no doubt."""
    try:
        return isinstance(json.loads(value), dict)
    except ValueError:
        return False


def judge(
    delivered: Mapping[Place, bytes | None],
    lake: Lake,
    *,
    aborted: Mapping[Place, bytes | None] = MappingProxyType({}),
    compacted: bool = False,
) -> list[str]:
    """Every fault as a sentence; none when each delivered record is in exactly one place with its very bytes.

    `aborted`: the records of aborted transactions, of which Kafka may have given the engine a few.
    `compacted`: the topic may have forgotten records since they landed; what it still has must be there.
    """
    return list(_faults(delivered, lake, aborted, compacted=compacted))


def landed_aborted(lake: Lake, aborted: Mapping[Place, bytes | None]) -> list[Place]:
    """The places of aborted records that landed, byte for byte."""
    stored = {**lake.raw, **lake.dead, **dict.fromkeys(lake.skipped)}
    return sorted(place for place, value in aborted.items() if place in stored and stored[place] == value)


def _faults(
    delivered: Mapping[Place, bytes | None], lake: Lake, aborted: Mapping[Place, bytes | None], *, compacted: bool
) -> Iterator[str]:
    for place in sorted(place for place, times in lake.times.items() if times > 1):
        yield f"doubled: {place} is there {lake.times[place]} times"
    for place in sorted(delivered.keys() - lake.times.keys()):
        yield f"lost: {place}, which Kafka delivers, is nowhere"
    if not compacted:
        given = landed_aborted(lake, aborted)
        if len(given) > ABORTED_SHARE_MAX * len(aborted):
            yield f"aborted: {len(given)} of {len(aborted)} aborted records landed: Kafka gives nobody that many"
        for place in sorted(lake.times.keys() - delivered.keys() - set(given)):
            yield f"from nowhere: {place} was never delivered"
    for place, landed in sorted(lake.raw.items()):
        if not is_whole(landed):
            yield f"altered: {place} does not fit its own checksum: {landed[:80]!r}"
    for place in sorted(delivered.keys() & lake.times.keys()):
        yield from _misplaced(place, delivered[place], lake)


def _misplaced(place: Place, value: bytes | None, lake: Lake) -> Iterator[str]:
    """Whether a record that is there is in the right place, with the bytes that Kafka delivers."""
    kind = "tombstone" if value is None else "good" if is_json(value) else "broken"
    due = {"tombstone": lake.skipped, "good": lake.raw, "broken": lake.dead}[kind]
    if place not in due:
        yield f"misplaced: {place} is {kind}: {value and value[:80]!r}"
    elif kind != "tombstone" and (lake.raw if kind == "good" else lake.dead)[place] != value:
        yield f"altered: {place} was {value and value[:80]!r} to Kafka, and is not in the lake"


def delivered_by(servers: str, topic: str, isolation: str = "read_committed") -> dict[Place, bytes | None]:
    """Every record that a reader gets, from each partition's first offset to its end now."""
    return {place: message.value() for place, message in messages_of(servers, topic, isolation)}


def messages_of(servers: str, topic: str, isolation: str = "read_committed") -> Iterator[tuple[Place, Message]]:
    """The same as messages, with their places."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "oracle",
            "enable.auto.commit": False,
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            **TO_THE_END,
        }
    )
    try:
        numbers = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
        left = set(numbers)
        while left:
            message = consumer.poll(60)
            if message is None:
                raise TimeoutError(f"{topic}: no record and no end within 60 s; partitions left: {sorted(left)}")
            partition, error = message.partition(), message.error()
            assert partition is not None
            if error is None:
                offset = message.offset()
                assert offset is not None
                yield (partition, offset), message
            elif error.code() == KafkaError._PARTITION_EOF:
                left.discard(partition)
            elif not error.retriable():
                raise RuntimeError(f"{topic}/{partition}: {error.str()}")
    finally:
        consumer.close()


def lake_of(root: Path, topic: str, *, runs: str = "*", output: str = "") -> Lake:
    """Everything that a glob reader finds below `output`, and what the ledgers of `runs`, a glob, say was skipped.

    Where there are several runs, more than one of them may say so of the same place.
    """
    lake = Lake()
    for place, value in _rows(root / output / "raw" / topic):
        lake.raw[place] = value or b""
        lake.times[place] += 1
    for place, value in _rows(root / output / "dead" / topic):
        lake.dead[place] = value
        lake.times[place] += 1
    by_run: dict[str, list[Place]] = defaultdict(list)
    for entry in entries_of(root / "_ledger", topic, runs):
        for first, following in entry["skipped_offsets"]:
            by_run[entry["run"]] += [(entry["partition"], offset) for offset in range(first, following)]
    # In one ledger a place is skipped once, or it is there twice; of two runs both may have skipped it.
    for places in by_run.values():
        lake.skipped.update(places)
    for place, times in reduce(or_, map(Counter, by_run.values()), Counter[Place]()).items():
        lake.times[place] += times
    return lake


def entries_of(ledger: Path, topic: str, runs: str) -> Iterator[dict[str, Any]]:
    """The ledgers' entries: the lines of what is folded, and the files that are not (a folded folder may have some)."""
    for segment in ledger.glob(f"{runs}/{topic}/*/*.jsonl.xz"):
        for line in lzma.decompress(segment.read_bytes()).splitlines():
            yield json.loads(line)
    for path in ledger.glob(f"{runs}/{topic}/*/*/*.json"):
        if not path.parent.with_suffix(".jsonl.xz").exists():
            yield json.loads(path.read_bytes())


def _rows(folder: Path) -> Iterator[tuple[Place, bytes | None]]:
    for path in sorted(folder.rglob("*")) if folder.exists() else ():
        if path.is_file():
            yield from rows_of(path)


def rows_of(path: Path) -> list[tuple[Place, bytes | None]]:
    """Place and payload of each row of one file, Parquet or JSON lines, raw or dead. Raises duckdb.Error."""
    if path.suffix == ".parquet":
        sql = "select _partition, _offset, value::blob from read_parquet(?)"
        found = duckdb.execute(sql, [str(path)]).fetchall()
        return [((partition, offset), value) for partition, offset, value in found]
    # As text: JSON that DuckDB writes again would not be the bytes that came.
    lines = duckdb.execute(
        "select unnest(regexp_split_to_array(content, '\n')) from read_text(?)", [str(path)]
    ).fetchall()
    return [_row(line) for (line,) in lines if line]


def _row(line: str) -> tuple[Place, bytes | None]:
    row = json.loads(line)
    value = row["value"]
    if isinstance(value, dict) and set(value) == {"base64"}:
        data: bytes | None = base64.b64decode(value["base64"])
    elif value is None or isinstance(value, str):
        data = None if value is None else value.encode()
    else:
        data = line[line.index('"value":') + len('"value":') : -1].encode()
    return (row["_partition"], row["_offset"]), data


class Watcher:
    """A concurrent reader: a file that was once seen stays as it was, and each can be read whole when it is seen."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[Path, str] = {}
        self._rows: Counter[Place] = Counter()
        self.faults: list[str] = []

    def look(self, *, thoroughly: bool = False) -> int:
        """Look once at what is visible now; how many files there are. `thoroughly` reads known ones again."""
        visible = [path for path in sorted(self._folder.rglob("*")) if path.is_file()]
        for path in self._seen.keys() - set(visible):
            self.faults.append(f"disappeared: {path.name}, once seen, is gone")
        for path in visible:
            if path not in self._seen:
                self._meet(path)
            elif thoroughly and _digest(path) != self._seen[path]:
                self.faults.append(f"changed: {path.name} has other bytes than when it was first seen")
        return len(visible)

    def _meet(self, path: Path) -> None:
        self._seen[path] = _digest(path)
        try:
            rows = rows_of(path)
        except (duckdb.Error, ValueError) as error:
            self.faults.append(f"partial: {path.name} could be seen and not be read: {error}")
            return
        for place, _ in rows:
            self._rows[place] += 1
            if self._rows[place] > 1:
                self.faults.append(f"doubled: {place} was seen {self._rows[place]} times")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def verdict(
    faults: Iterable[str], delivered: Mapping[Place, object], lake: Lake, aborted: Mapping[Place, bytes | None]
) -> dict[str, Any]:
    """The faults by kind, the counts of what was looked at, and where aborted records landed."""
    found = list(faults)
    return {
        "faults": dict(Counter(fault.partition(":")[0] for fault in found)),
        "first": found[:FAULTS_SHOWN],
        "delivered": len(delivered),
        "landed": len(lake.raw),
        "dead": len(lake.dead),
        "skipped": len(lake.skipped),
        "aborted": landed_aborted(lake, aborted),
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("servers")
    parser.add_argument("topic")
    parser.add_argument("root", type=Path)
    parser.add_argument("--compacted", action="store_true")
    asked = parser.parse_args()
    delivered, lake = delivered_by(asked.servers, asked.topic), lake_of(asked.root, asked.topic)
    aborted: dict[Place, bytes | None] = {}
    if not asked.compacted and lake.times.keys() - delivered.keys():
        written = delivered_by(asked.servers, asked.topic, "read_uncommitted")
        aborted = {place: value for place, value in written.items() if place not in delivered}
    faults = judge(delivered, lake, aborted=aborted, compacted=asked.compacted)
    found = verdict(faults, delivered, lake, aborted)
    print(json.dumps(found))
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
