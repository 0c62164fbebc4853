"""What a torture run asks, while it breaks things and in the end: `prove`, `status`, and Kafka itself."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # its stubs forget it
from support.account import newest_entry
from torture.oracle import Place
from torture.program import STREAMLAKE
from torture.world import World

CONVERGE_SECONDS = 180.0
HANGING_SECONDS = 120.0


def proof(world: World, *more: str, aborted: Collection[Place] = ()) -> list[str]:
    """What `prove` finds wrong, but for records of the main topic that are known as aborted."""
    done = _streamlake(world, "prove", *more)
    if done.returncode == 0:
        return []
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return [f"prove: exit code {done.returncode}: {done.stderr[-1000:]}"]
    defects = found["defects"]
    told = [f"prove: {defect}" for defect in defects if not _is_of_aborted(defect, world.topic, aborted)]
    return told[:20] if defects else [f"prove: exit code {done.returncode}"]


def _is_of_aborted(defect: Mapping[str, Any], topic: str, aborted: Collection[Place]) -> bool:
    if defect["kind"] != "foreign" or defect["topic"] != topic or defect["path"] is not None:
        return False
    return all((defect["partition"], offset) in aborted for offset in range(defect["first"], defect["next"]))


def caught_up(world: World) -> float | None:
    """Seconds until no partition has any lag; None when it takes longer than it may.

    A transaction that the broker has not ended long after its time-out it never ends (KIP-890 calls these hanging):
    nobody reads what is behind, the oracle neither, and it is no lag.
    """
    began = time.monotonic()
    while time.monotonic() - began < CONVERGE_SECONDS:
        # In this order: what a transaction that ends now has left is seen as lag.
        try:
            over = not open_transactions(world)
        except (KafkaException, TimeoutError):  # a node that has just come back: nobody knows yet
            over = False
        behind = lags(world)
        over = over or time.monotonic() - began > HANGING_SECONDS
        if over and len(behind) == len(world.sources) and all(lag == 0 for lag in behind.values()):
            return round(time.monotonic() - began, 1)
        threading.Event().wait(1)
    return None


def open_transactions(world: World) -> bool:
    """Whether a producer that died has left a transaction open: until the broker ends it, nothing after it is read."""
    ends = []
    for isolation in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED):
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        found = world.admin.list_offsets(dict.fromkeys(world.sources, latest), isolation_level=isolation)
        ends.append([future.result(30).offset for future in found.values()])
    return ends[0] != ends[1]


def lags(world: World) -> dict[str, Any]:
    """What `status` says of each partition; its error in place of all of them."""
    done = _streamlake(world, "status")
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return {"status": done.stderr[-500:]}
    return {f"{one['topic']}/{one['partition']}": one["lag"] for one in found["partitions"]}


def _streamlake(world: World, verb: str, *more: str) -> "subprocess.CompletedProcess[str]":
    """Ask a command for JSON. It goes around the proxy, and the disk that fails is no business of its."""
    command = [*STREAMLAKE, verb, str(world.pipeline), "--json", "--set", f"kafka.bootstrap_servers={world.servers}"]
    environment = {**os.environ, "STREAMLAKE_TORTURE_DISK": "/nonexistent"}
    if world.bucket is not None:
        environment |= world.bucket.judges
    return subprocess.run([*command, *more], capture_output=True, text=True, env=environment, check=False)


def orphans(root: Path) -> list[str]:
    """What still lies staged of an epoch that somebody has followed: nobody can commit it, and nobody would drop it."""
    found = []
    for folder in root.glob("_stage/*/*/*/*"):
        if folder.name.isdigit() and any(folder.iterdir()):
            ledger = root / "_ledger" / folder.parent.relative_to(root / "_stage")
            newest = newest_entry(ledger)
            if newest is None or int(folder.name) < newest["epoch"]:
                found.append(f"orphans: {folder.relative_to(root)} is of an older epoch, and not collected")
    return found
