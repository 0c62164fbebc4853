"""An account of a lake taken without any of our code: JSON lines, file names and ledger entries read as plain JSON."""

import base64
import json
import lzma
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, TopicPartition

Place = tuple[int, int]
"""Partition and offset."""


@dataclass
class Account:
    """What stands where under one root; the rows by place, every place counted."""

    raw: dict[Place, Any] = field(default_factory=dict)
    dead: dict[Place, dict[str, Any]] = field(default_factory=dict)
    skipped: set[Place] = field(default_factory=set)
    times: Counter[Place] = field(default_factory=Counter)

    @classmethod
    def of(
        cls, lake: Path, topic: str, partition: int | None = None, *, runs: str = "live-*", output: str = ""
    ) -> "Account":
        """Read everything that a glob reader sees, and of the ledger only which offsets were skipped.

        `runs` are the names of those whose rows these are, as a glob; `output` is where the rows of a replay lie.
        """
        account = cls()
        number = "*" if partition is None else f"*-{partition:05d}-*"
        for kind in ("raw", "dead"):
            for file in sorted((lake / output / kind / topic).rglob(number)):
                if file.is_file():
                    assert file.suffix == ".jsonl", f"{file} lies where readers look"
                    account._read(kind, file)
        for entry in entries_of(lake, topic, partition, runs=runs):
            for first, following in entry["skipped_offsets"]:
                places = [(entry["partition"], offset) for offset in range(first, following)]
                account.skipped.update(places)
                account.times.update(places)
        return account

    def _read(self, kind: str, file: Path) -> None:
        for line in file.read_bytes().splitlines():
            row = json.loads(line)
            place = (row["_partition"], row["_offset"])
            self.times[place] += 1
            if kind == "raw":
                self.raw[place] = row["value"]
            else:
                self.dead[place] = row

    def check(self, produced: Mapping[int, Sequence[bytes | None]], crashing: Sequence[bytes] = ()) -> None:
        """Every produced record is in exactly one place, the right one, with the value it was produced with.

        `produced` holds each partition's values, whose place in the list is their offset; `crashing` are those that
        no validator survives.
        """
        expected = {(number, at): value for number, values in produced.items() for at, value in enumerate(values)}
        twice = {place: count for place, count in self.times.items() if count > 1}
        assert not twice, f"landed more than once: {sorted(twice.items())[:20]}"
        assert not expected.keys() - self.times.keys(), f"missing: {sorted(expected.keys() - self.times.keys())[:20]}"
        assert not self.times.keys() - expected.keys(), f"from nowhere: {sorted(self.times.keys() - expected.keys())}"
        for place, value in expected.items():
            if value is None:
                assert place in self.skipped, f"{place} is a tombstone, and not skipped"
            elif value in crashing:
                assert self.dead[place]["reason"] == "crash", f"{place} kills validators: {self.dead[place]}"
            elif _is_json(value):
                assert place in self.raw, f"{place} is innocent, and was refused: {self.dead.get(place)}"
                assert self.raw[place] == json.loads(value), f"{place} landed as {self.raw[place]}"
            else:
                assert self.dead[place]["reason"] == "malformed", f"{place}: {self.dead[place]}"
                assert text_of(self.dead[place]["value"]) == value, f"{place}: {self.dead[place]}"


def entries_of(lake: Path, topic: str, partition: int | None = None, *, runs: str = "live-*") -> list[dict[str, Any]]:
    """The ledger entries of a topic as plain JSON, by run, partition and number."""
    return [json.loads(path.read_bytes()) for path in entry_paths(lake, topic, partition, runs=runs)]


def entry_paths(lake: Path, topic: str, partition: int | None = None, *, runs: str = "live-*") -> list[Path]:
    """The files of a topic's ledgers, by run, partition and number; of one partition or of all."""
    number = "*" if partition is None else f"{partition:05d}"
    return sorted((lake / "_ledger").glob(f"{runs}/{topic}/{number}/*/*.json"))


def newest_entry(ledger: Path) -> dict[str, Any] | None:
    """The newest entry of one partition's ledger, as plain JSON, beside an engine too; None where there is none.

    The newest entries are never folded, but older ones may be under our hands: then it is looked for again.
    """
    while True:
        try:
            newest = max(ledger.glob("*/*.json"), key=lambda path: path.name, default=None)
            return None if newest is None else dict(json.loads(newest.read_bytes()))
        except FileNotFoundError:
            continue


def entries_of_folder(ledger: Path, folder: int) -> dict[int, dict[str, Any]]:
    """The entries of one of a ledger's folders by number: what its segment holds, or its slots where it has none."""
    segment = ledger / f"{folder:08d}.jsonl.xz"
    while True:
        try:
            if segment.exists():
                lines = lzma.decompress(segment.read_bytes()).splitlines()
            else:
                lines = [slot.read_bytes() for slot in (ledger / f"{folder:08d}").glob("*.json")]
                if segment.exists():
                    continue  # folded under our hands
        except FileNotFoundError:
            continue
        return {entry["seq"]: entry for entry in map(json.loads, lines)}


def tree_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def text_of(field: Any) -> bytes | None:
    """Bytes as JSON lines hold them: text, or base64 where they are none."""
    if field is None:
        return None
    return base64.b64decode(field["base64"]) if isinstance(field, dict) else str(field).encode()


def _is_json(value: bytes) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def check_copies(servers: str, dead_topic: str, account: Account) -> list[dict[str, bytes]]:
    """Of each refused record the dead-letter topic holds a copy, byte for byte or marked as truncated.

    The headers of all copies: there may be more than one of each.
    """
    copies: dict[Place, bytes | None] = {}
    all_headers = []
    for value, headers in _messages(servers, dead_topic):
        place = (int(headers["__connect.errors.partition"]), int(headers["__connect.errors.offset"]))
        all_headers.append(headers)
        if "streamlake.truncated" not in headers:
            copies[place] = value
        else:
            copies.setdefault(place, None)
    missing = account.dead.keys() - copies.keys()
    assert not missing, f"no copy in {dead_topic} of {sorted(missing)[:20]}"
    assert not copies.keys() - account.dead.keys(), f"{dead_topic} has copies of what was not refused"
    for place, value in copies.items():
        assert value is None or value == text_of(account.dead[place]["value"]), f"the copy of {place} is {value!r}"
    return all_headers


def _messages(servers: str, topic: str) -> list[tuple[bytes | None, dict[str, bytes]]]:
    """Value and headers of everything in partition 0 of a topic now."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "reads",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        found: list[tuple[bytes | None, dict[str, bytes]]] = []
        while True:
            message = consumer.poll(30)
            assert message is not None, f"{topic} gives no answer"
            error = message.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                return found
            headers = cast("list[tuple[str, bytes]]", message.headers() or [])
            found.append((message.value(), dict(headers)))
    finally:
        consumer.close()
