"""Tortures the engine for a while and judges what is left: `make torture SEED=… MINUTES=…`.

    python tests/torture/run.py [--seed N] [--minutes M] [--everything | --storage] [--spare WORD …]
                                [--keep FOLDER] [--mutant NAME] [--until-fault] [--backend file|gs] [--part …]

Three Kafka nodes, three hosts, a proxy between them, a disk that fails, producers of which some use transactions; a
nemesis that breaks what it can; a reader and `prove` that look all the while. Then everything is mended, the engines
have to catch up within CONVERGE_SECONDS, and the oracle counts. Exits 1 when anything was lost, doubled or altered,
when the engines did not catch up, when the two judges differ, or when a promised fault never happened.

`--part edge` tortures the HTTP edge instead, which has a world, faults and a judge of its own (`edge/`), and
`--part operations` what operators ask for while engines run (`operations/`).
"""

import argparse
import json
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # as pytest does it: the torture is a program, too

# ruff: noqa: E402 - after the path above
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its stubs forget it
from model.mutants import MUTANTS
from support.engine import pipeline_yaml
from torture.acknowledged import acknowledged_beside
from torture.asking import CONVERGE_SECONDS, caught_up, lags, proof
from torture.bucket import OPTIONS, ROOT, Bucket
from torture.edge import part as edge
from torture.edge.mutants import EDGE_MUTANTS
from torture.faults import ALL_FAULTS, KILLS, STORAGE, make_dead_topic
from torture.hosts import Host
from torture.logs import lies_in
from torture.mutated.environment import mutating
from torture.nemesis import Nemesis, spared, swarm
from torture.operations import part as operations
from torture.operations.mutants import OPERATIONS_MUTANTS
from torture.oracle import TO_THE_END, Place
from torture.outcome import Outcome
from torture.power import journal_of
from torture.proxy import Wires
from torture.watching import Onlookers
from torture.workload import Workload
from torture.world import ENTRIES_PER_FOLDER, ENTRIES_USUAL, World

from streamlake.engine.local.kafka import LocalKafka
from streamlake.engine.local.ports import free_ports

NODES = 3
PARTITIONS = 4
HOSTS = 3
LEAVE_SECONDS = 60.0
NODE_START_SECONDS_MAX = 240.0
"""Longer than by itself: the machine is loaded to its limit."""
RATE, RATE_STORAGE = (60.0, 5), (90.0, 4)
"""Faults begun in a minute, and how many may go on at once."""
SESSION_MS, SESSION_MS_STORAGE = (6000, 1000), (2500, 500)
"""How long the group waits for a host that is gone, and how often each says that it is there."""
RECORDS_PER_SECOND = 300


def torture(asked: argparse.Namespace, seed: int, folder: Path, say: Callable[[str], None]) -> Outcome:
    """One run in `folder`, which holds all that it leaves."""
    luck = random.Random(seed)
    enabled = dict(STORAGE) if asked.storage else swarm(luck, everything=asked.everything, backend=asked.backend)
    outcome = Outcome(seed, {name: weight for name, weight in enabled.items() if not spared(name, asked.spare)}, KILLS)
    with ExitStack() as stack:
        ports = free_ports(2 * NODES)
        behind, before = ports[:NODES], ports[NODES:]
        wires = stack.enter_context(Wires(list(zip(before, behind, strict=True))))
        say(f"starting {NODES} Kafka nodes")
        session_ms, heartbeat_ms = SESSION_MS_STORAGE if asked.storage else SESSION_MS
        properties = {
            "group.min.session.timeout.ms": str(session_ms),
            "group.consumer.min.session.timeout.ms": str(session_ms),
            "group.consumer.session.timeout.ms": str(session_ms),
            "group.consumer.min.heartbeat.interval.ms": str(heartbeat_ms),
            "group.consumer.heartbeat.interval.ms": str(heartbeat_ms),
            "fetch.max.bytes": str(TO_THE_END["fetch.max.bytes"]),
        }
        proxied = list(zip(behind, before, strict=True))
        # Kept data shows what each node had, when the judges say that Kafka told two readers different things.
        data = folder / "kafka" if asked.keep else None
        kafka = stack.enter_context(
            LocalKafka(
                NODES, properties=properties, proxied=proxied, data_dir=data, start_seconds_max=NODE_START_SECONDS_MAX
            )
        )
        bucket = stack.enter_context(Bucket(folder, HOSTS)) if asked.backend == "gs" else None
        world = _world(kafka, wires, before, folder, luck, asked, bucket)
        if "power cut" in outcome.enabled:
            journal_of(world.disk).write_text("")
        for host in world.hosts:
            stack.callback(host.close)
        if _flow(world, outcome, asked, say):
            _judge(world, outcome, say)
    outcome.faults += lies_in([host.log for host in world.hosts], folder / "lake")
    return outcome


def _world(
    kafka: LocalKafka,
    wires: Wires,
    ports: list[int],
    folder: Path,
    luck: random.Random,
    asked: argparse.Namespace,
    bucket: Bucket | None,
) -> World:
    servers = kafka.bootstrap_servers
    topic, state, dead = "tortured", "tortured.state", "tortured.dlq"
    compacting = {
        "cleanup.policy": "compact",
        "segment.ms": "3000",
        "min.cleanable.dirty.ratio": "0.01",
        "max.compaction.lag.ms": "5000",
        "delete.retention.ms": "1000",
    }
    news = [NewTopic(topic, PARTITIONS, NODES), NewTopic(state, 1, NODES, config=compacting)]
    with AdminClient({"bootstrap.servers": servers, "log_level": 0}) as admin:
        for future in admin.create_topics(news).values():
            future.result(120)
    protocol = luck.choice(["classic", "consumer"])
    # What is tortured is the engine: it shall not be judged for aborted records that Kafka itself delivers.
    engine_properties: dict[str, Any] = {"fetch.wait.max.ms": 50, **TO_THE_END}
    if protocol == "classic":
        session_ms, heartbeat_ms = SESSION_MS_STORAGE if asked.storage else SESSION_MS
        engine_properties |= {"session.timeout.ms": session_ms, "heartbeat.interval.ms": heartbeat_ms}
    pipeline = pipeline_yaml(
        folder,
        ",".join(f"127.0.0.1:{port}" for port in ports),
        topic,
        kafka__topics=[{"name": topic}, {"name": state}],
        kafka__group_protocol=protocol,
        kafka__properties=engine_properties,
        python_path=[str(HERE)],
        validator__type="faulty_disk:FaultyDisk",
        sink__format=luck.choice(["parquet", "jsonl"]),
        sink__compression="none",
        sink__partition_by=luck.choice(["none", "ingestion_date", "record_hour"]),
        batch={"rows_max": 100, "seconds_max": 0.2} if asked.storage else {"rows_max": 1000, "seconds_max": 1},
        dead_letters__breaker={"ratio_max": 1, "consecutive_max": 1_000_000},
        workers={"drain_seconds": 10, "restarts_max": 1_000_000, "stuck_seconds": 8},
        **({"sink__root": ROOT, "sink__gcs": OPTIONS} if bucket else {}),
    )
    disk = folder / "disk.json"
    disk.write_text("{}")
    acknowledged_beside(disk).touch()
    env = {"STREAMLAKE_TORTURE_DISK": str(disk), **mutating(asked.mutant)}
    power = threading.Lock()
    lines = [bucket.environment(number) if bucket else {} for number in (*range(HOSTS), -1)]
    envs = [{**env, **line} for line in lines]
    hosts = [Host(f"host-{number + 1}", pipeline, folder, envs[number], power) for number in range(HOSTS)]
    parts = (kafka, NODES, servers, topic, dead, hosts, wires, disk, pipeline, PARTITIONS, envs[-1], power, bucket)
    world = World(*parts, mild=asked.storage)
    make_dead_topic(world)
    return world


def _flow(world: World, outcome: Outcome, asked: argparse.Namespace, say: Callable[[str], None]) -> bool:
    """Let records flow while things break; returns when all is mended, landed, and everybody has left.

    False: something was seen that can't be right, and with `--until-fault` that is all that was asked.
    """
    seed, minutes = outcome.seed, asked.minutes
    onlookers = Onlookers(world)
    main = Workload(
        world.servers,
        world.topic,
        seed,
        producers=3,
        per_second=RECORDS_PER_SECOND,
        partitions=lambda: world.partitions,
        keyed=False,
    )
    state = Workload(
        world.servers, f"{world.topic}.state", seed, producers=1, per_second=40, partitions=lambda: 1, keyed=True
    )
    for host in world.hosts[:2]:
        host.start()
    per_minute, at_once = RATE_STORAGE if asked.storage else RATE
    nemesis = Nemesis(world, ALL_FAULTS, outcome.enabled, KILLS, seed, per_minute=per_minute, at_once=at_once)

    with onlookers.looking(until_fault=asked.until_fault), main, state:
        say(f"seed {seed}: {minutes:g} minutes of {', '.join(sorted(outcome.enabled))}")
        nemesis.torment(minutes * 60, owed=(lambda: ()) if asked.until_fault else None)
        for workload in (main, state):
            workload.stop()
        outcome.happened = nemesis.happened
        if asked.until_fault and onlookers.seen():
            outcome.faults += onlookers.faults
            return False
        say("everything is mended; waiting for the engines to catch up")
        if world.bucket is not None:
            # What came late was staged for an epoch that is over, and nobody collects it before the next claim.
            for host in world.hosts:
                host.signal(signal.SIGTERM)
        caught_up_after = caught_up(world)
        if caught_up_after is None:
            outcome.faults.append(f"stuck: not caught up {CONVERGE_SECONDS:g} s after the last fault: {lags(world)}")
    for host in world.hosts:
        try:
            host.leave_and_wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            outcome.faults.append(f"stuck: {host.name} did not leave within {LEAVE_SECONDS:g} s")
    onlookers.look_at_the_end(all_letters=not nemesis.happened["dead-letter topic gone"])
    outcome.faults += onlookers.faults
    if not asked.until_fault:
        outcome.faults += [f"promised and never happened: {name}" for name in nemesis.missing()]
    outcome.counts = {
        "caught up after seconds": caught_up_after,
        "produced": dict(main.counts + state.counts),
        "engines": {host.name: dict(host.counts) for host in world.hosts},
        "through the proxy, MB": world.wires.bytes // 10**6,
        "faults cut short": len(nemesis.errors),
        **({"requests to the bucket": world.bucket.requests} if world.bucket else {}),
    }
    return True


def _judge(world: World, outcome: Outcome, say: Callable[[str], None]) -> None:
    """Ask both judges, who have to agree."""
    say("judging")
    lake = world.pipeline.parent / "lake"
    oracle_faults: list[str] = []
    aborted: set[Place] = set()
    for topic, more in ((world.topic, []), (f"{world.topic}.state", ["--compacted"])):
        command = [sys.executable, str(HERE / "oracle.py"), world.servers, topic, str(lake), *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            found = json.loads(done.stdout)
        except ValueError:
            outcome.faults.append(f"the oracle did not judge {topic}: {done.stderr[-2000:]}")
            continue
        oracle_faults += found["first"]
        aborted |= {(partition, offset) for partition, offset in found["aborted"]}
        counts = {name: found[name] for name in ("delivered", "landed", "dead", "skipped")}
        outcome.counts[topic] = counts
        # Nothing lost of nothing is no result.
        outcome.faults += [f"nothing: no record of {topic} was {name}" for name, count in counts.items() if not count]
    proven = proof(world, "--kafka", aborted=aborted)
    if aborted:
        outcome.remarks.append(f"Kafka delivered {len(aborted)} records of aborted transactions (docs/reliability.md)")
    outcome.faults += [f"oracle: {fault}" for fault in oracle_faults] + proven
    # What has not landed yet is lost to the oracle, and lag to `prove`: they can agree only where all has.
    if outcome.counts["caught up after seconds"] is not None and bool(oracle_faults) != bool(proven):
        outcome.faults.append("the judges differ: one of `prove` and the oracle found faults, the other none")


def replay(asked: argparse.Namespace, seed: int) -> str:
    """The command that runs this seed again, as a shell takes it."""
    words = ["python", "tests/torture/run.py", "--seed", str(seed), "--minutes", f"{asked.minutes:g}"]
    words += ["--part", asked.part] if asked.part != "engine" else []
    words += [f"--{flag}" for flag in ("everything", "storage") if getattr(asked, flag)]
    words += ["--backend", asked.backend] if asked.backend != "file" else []
    words += ["--until-fault"] if asked.until_fault else []
    words += ["--mutant", asked.mutant] if asked.mutant else []
    words += ["--spare", *asked.spare] if asked.spare else []
    few = f"STREAMLAKE_TORTURE_ENTRIES={ENTRIES_PER_FOLDER} " if ENTRIES_PER_FOLDER != ENTRIES_USUAL else ""
    return f"replay: {few}{shlex.join(words)}"


PARTS = {"engine": torture, "edge": edge.torture, "operations": operations.torture}
"""By the word for `--part`."""


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = argparse.ArgumentParser(prog="make torture", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--part", choices=list(PARTS), default="engine", help="what is tortured")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--everything", action="store_true", help="every kind of fault, not a seed's choice")
    kinds.add_argument(
        "--storage", action="store_true", help="what befalls the storage and its writers, and much of it"
    )
    parser.add_argument(
        "--spare", nargs="*", default=[], metavar="WORD", help="no faults with these words in their name"
    )
    parser.add_argument("--backend", choices=["file", "gs"], default="file", help="a root on a disk, or in a bucket")
    parser.add_argument("--keep", type=Path, default=None, help="leave lake, logs and Kafka's data in this folder")
    mutants = [mutant.name for mutant in (*MUTANTS, *EDGE_MUTANTS, *OPERATIONS_MUTANTS)]
    parser.add_argument("--mutant", choices=mutants, help="break the protocol of the engine, or of the edge")
    parser.add_argument("--until-fault", action="store_true", help="end with the first thing that can't be right")
    return parser


def main() -> int:
    """The command."""
    asked = arguments().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing of a run outlives it
    seed = random.SystemRandom().randrange(1_000_000) if asked.seed is None else asked.seed
    with tempfile.TemporaryDirectory(prefix="streamlake-torture-") as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        say = lambda text: print(f"torture: {text}", file=sys.stderr, flush=True)  # noqa: E731
        try:
            outcome = PARTS[asked.part](asked, seed, folder, say)
        except Exception as error:
            error.add_note(f"this run could not be judged, so it failed\n{replay(asked, seed)}")
            raise
    print(outcome.told())
    if outcome.faults:
        print(replay(asked, seed))
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
