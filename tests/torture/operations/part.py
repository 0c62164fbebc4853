"""Tortures operations: `make torture PART=operations`, see ../run.py for what the command takes.

One Kafka behind a proxy, producers, three hosts that are killed and come back, a disk that fails; and operators who
replay, promote, delete and collect meanwhile, up to two at a time, each killed at random and said again until it has
finished. A reader of files looks all the time, and `prove` runs beside. Every few minutes all is mended, and has to be
accounted for.
"""

import argparse
import json
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its stubs forget it
from support.engine import pipeline_yaml
from support.topics import fill
from torture.acknowledged import acknowledged_beside
from torture.asking import CONVERGE_SECONDS, caught_up, lags, proof
from torture.faults import FAULTS, KILLS, make_dead_topic
from torture.hosts import Host
from torture.logs import lies_in
from torture.mutated.environment import mutating
from torture.nemesis import Nemesis, spared
from torture.operations.lake import standing_replays
from torture.operations.operations import ALL
from torture.operations.saying import KILLED, Operator
from torture.operations.watching import Onlookers
from torture.operations.world import OperationsWorld
from torture.oracle import record
from torture.outcome import Outcome
from torture.proxy import Wires
from torture.workload import Workload

from streamlake.engine.local.kafka import LocalKafka
from streamlake.engine.local.ports import free_ports

HERE = Path(__file__).parent
PARTITIONS, HOSTS = 2, 3
RECORDS_PER_SECOND = 150
BEFORE = 3000
"""So many records are in each partition before the live run begins behind them."""
ROUND_MINUTES = 4.0
"""After so many all is accounted for."""
FAULTS_PER_MINUTE, FAULTS_AT_ONCE = 20.0, 2
OPERATIONS_PER_MINUTE, OPERATIONS_AT_ONCE = 60.0, 2
LEAVE_SECONDS = 60.0
NODE_START_SECONDS_MAX = 240.0
SESSION_MS, HEARTBEAT_MS = 6000, 1000
BEFALL = (
    *("worker killed", "supervisor killed", "host killed", "all hosts killed", "worker paused", "host frozen"),
    *("host drained and came back", "third host came and went", "limits changed by SIGHUP"),
    *("broker killed", "broker paused", "wires cut", "wires slow", "wires swallow"),
    *("disk full", "disk failing", "fsync failing", "disk slow", "answers lost", "killed at the disk"),
)
"""The faults of the engine's torture that befall operations, too; a seed has two thirds of them, and all kills."""


class OperationsOutcome(Outcome):
    """How a run went; its closing line counts kills and operations."""

    @property
    def in_all(self) -> str:
        """What else there was, counted."""
        return f"{sum(self.happened[name] for name in ALL)} operations"


def torture(asked: argparse.Namespace, seed: int, folder: Path, say: Callable[[str], None]) -> Outcome:
    """One run in `folder`, which holds all that it leaves."""
    luck = random.Random(seed)
    befall = [name for name in BEFALL if asked.everything or name in KILLS or luck.random() < 2 / 3]
    kinds = {name: FAULTS[name][1] for name in befall} | {name: weight for name, (_, weight) in ALL.items()}
    weights = {name: weight * luck.choice([0.3, 1, 1, 3]) for name, weight in kinds.items()}
    enabled = {name: weight for name, weight in weights.items() if not spared(name, asked.spare)}
    outcome = OperationsOutcome(seed, enabled, [*KILLS, KILLED])
    with ExitStack() as stack:
        behind, before = free_ports(2)
        wires = stack.enter_context(Wires([(before, behind)]))
        say("starting Kafka")
        properties = {"group.min.session.timeout.ms": str(SESSION_MS)}
        proxied = [(behind, before)]
        kafka = stack.enter_context(
            LocalKafka(properties=properties, proxied=proxied, start_seconds_max=NODE_START_SECONDS_MAX)
        )
        world = _world(kafka, wires, before, folder, luck, asked.mutant)
        for host in world.hosts:
            stack.callback(host.close)
        onlookers = Onlookers(world)
        say(f"seed {seed}: {asked.minutes:g} minutes of {', '.join(sorted(enabled))}")
        for number in range(_rounds(asked)):
            _torment(world, outcome, onlookers, number, asked)
            if asked.until_fault and onlookers.faults:
                break
            say("everything is mended, and has to be accounted for")
            _account(world, outcome, luck)
        outcome.faults += [f"promised and never happened: {name}" for name in enabled if not outcome.happened[name]]
        outcome.faults += onlookers.faults + world.faults
        outcome.counts |= {**world.counts, "looks of the reader": onlookers.looks}
        outcome.counts["engines"] = {host.name: dict(host.counts) for host in world.hosts}
        outcome.faults += lies_in([*[host.log for host in world.hosts], world.log], world.lake)
    return outcome


def _rounds(asked: argparse.Namespace) -> int:
    minutes: float = asked.minutes
    return max(1, round(minutes / ROUND_MINUTES))


def _world(
    kafka: LocalKafka, wires: Wires, port: int, folder: Path, luck: random.Random, mutant: str | None
) -> OperationsWorld:
    servers, topic, dead = kafka.bootstrap_servers, "tortured", "tortured.dlq"
    with AdminClient({"bootstrap.servers": servers, "log_level": 0}) as admin:
        admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(120)
    pipeline = pipeline_yaml(
        folder,
        f"127.0.0.1:{port}",
        topic,
        kafka__start="latest",
        kafka__properties={
            "session.timeout.ms": SESSION_MS,
            "heartbeat.interval.ms": HEARTBEAT_MS,
            "fetch.wait.max.ms": 50,
        },
        python_path=[str(HERE.parent)],
        validator__type="faulty_disk:FaultyDisk",
        sink__format=luck.choice(["parquet", "jsonl"]),
        sink__partition_by=luck.choice(["none", "ingestion_date", "record_hour"]),
        batch={"rows_max": 1000, "seconds_max": 1},
        dead_letters__breaker={"ratio_max": 1, "consecutive_max": 1_000_000},
        workers={"drain_seconds": 10, "restarts_max": 1_000_000, "stuck_seconds": 8},
    )
    disk = folder / "disk.json"
    disk.write_text("{}")
    acknowledged_beside(disk).touch()
    env = {"STREAMLAKE_TORTURE_DISK": str(disk), **mutating(mutant)}
    power = threading.Lock()
    hosts = [Host(f"host-{number + 1}", pipeline, folder, env, power) for number in range(HOSTS)]
    world = OperationsWorld(kafka, 1, servers, topic, dead, hosts, wires, disk, pipeline, PARTITIONS, env, power)
    make_dead_topic(world)
    for number in range(PARTITIONS):
        values = [record(f"before-{number}", at, b"") if at % 50 else b"{" for at in range(BEFORE)]
        fill(servers, topic, values, number, idempotent=True)
    world.begins_at = BEFORE
    return world


def _torment(
    world: OperationsWorld, outcome: Outcome, onlookers: Onlookers, number: int, asked: argparse.Namespace
) -> None:
    """A round: records flow, things break, operators ask; returns when all is mended and every operation has ended."""
    seed, seconds = outcome.seed * 1000 + number, asked.minutes * 60 / _rounds(asked)
    world.over.clear()
    for host in world.hosts[:-1]:
        host.start()
    workload = Workload(
        world.servers,
        world.topic,
        seed,
        producers=3,
        per_second=RECORDS_PER_SECOND,
        partitions=lambda: world.partitions,
        keyed=False,
    )
    faults = {name: weight for name, weight in outcome.enabled.items() if name in FAULTS}
    wanted = {name: weight for name, weight in outcome.enabled.items() if name in ALL}
    breaking = Nemesis(world, FAULTS, faults, KILLS, seed, per_minute=FAULTS_PER_MINUTE, at_once=FAULTS_AT_ONCE)
    asking = Nemesis(world, ALL, wanted, (), seed, per_minute=OPERATIONS_PER_MINUTE, at_once=OPERATIONS_AT_ONCE)
    killed_before = world.counts[KILLED]
    is_last = number == _rounds(asked) - 1

    def owed() -> Collection[str]:
        # Of each by itself: the other thread's may grow meanwhile.
        all_of_them = (outcome.happened, breaking.happened, asking.happened)
        judged = is_last and not asked.until_fault
        return [name for name in outcome.enabled if judged and not any(one[name] for one in all_of_them)]

    with onlookers.looking(until_fault=asked.until_fault), workload, ThreadPoolExecutor(1) as pool:
        asked_for = pool.submit(asking.torment, seconds, owed)
        breaking.torment(seconds, owed)
        asked_for.result()
        workload.stop()
    outcome.happened += breaking.happened + asking.happened
    outcome.happened[KILLED] += world.counts[KILLED] - killed_before
    outcome.counts["produced"] = dict(Counter(outcome.counts.get("produced", {})) + workload.counts)
    outcome.counts["cut short"] = [*outcome.counts.get("cut short", []), *breaking.errors, *asking.errors]


def _account(world: OperationsWorld, outcome: Outcome, luck: random.Random) -> None:
    """Everybody catches up and leaves; both judges look at what is there, and have to agree."""
    if caught_up(world) is None:
        outcome.faults.append(f"stuck: not caught up {CONVERGE_SECONDS:g} s after the last fault: {lags(world)}")
    for host in world.hosts:
        try:
            host.leave_and_wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            outcome.faults.append(f"stuck: {host.name} did not leave within {LEAVE_SECONDS:g} s")
    # What somebody had committed when he was killed is published by who comes next.
    Operator(world, luck, "run", ["--until-end"], steps=()).insist()
    filling = Operator(world, luck, "backfill run", [], steps=(), may_refuse=["nothing is missing"])
    while filling.insist() and "nothing to do" not in filling.answer:
        pass  # each time it lands the first stretch that is missing
    Operator(world, luck, "gc", [], steps=()).insist()
    command = [sys.executable, str(HERE / "oracle.py"), world.servers, world.topic, str(world.lake)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        outcome.faults.append(f"the oracle did not judge: {done.stderr[-2000:]}")
        return
    counts = {name: found[name] for name in ("delivered", "landed", "dead", "skipped")}
    outcome.counts[world.topic] = counts
    # Nothing lost of nothing is no result.
    outcome.faults += [f"nothing: no record was {name}" for name, count in counts.items() if not count]
    aborted = {(partition, offset) for partition, offset in found["aborted"]}
    proven = proof(world, "--kafka", aborted=aborted)
    for name in standing_replays(world.lake):
        proven += proof(world, "--run", name)
    outcome.faults += [f"oracle: {fault}" for fault in found["first"]] + proven
    if bool(found["first"]) != bool(proven):
        outcome.remarks.append("the judges differ: one of `prove` and the oracle found faults, the other none")
