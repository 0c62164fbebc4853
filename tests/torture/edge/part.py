"""Tortures the HTTP edge: `make torture PART=edge`, see ../run.py for what the command takes.

One Kafka behind a proxy, `streamlake serve` with two workers, 64 clients who post without a pause, and a nemesis that
ends workers and the whole edge by SIGTERM and SIGKILL, and takes Kafka away. Then all is mended, the edge has to be
ready again, and the oracle holds what the clients were told against all that Kafka has.
"""

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from support.edge import edge_yaml
from support.engine import BUGS_SHOW_AS
from support.waiting import wait_until
from torture.edge.faults import FAULTS, KILLS
from torture.edge.mutants import EDGE_MUTANTS
from torture.edge.world import EdgeHost, EdgeWorld
from torture.mutated.environment import mutating
from torture.nemesis import Nemesis, spared
from torture.outcome import NOTHING_WRONG, Outcome
from torture.proxy import Wires

from streamlake.engine.local.kafka import LocalKafka
from streamlake.engine.local.ports import free_ports

HERE = Path(__file__).parent
PROCESSES, CLIENTS_PER_PROCESS = 4, 16
FAULTS_PER_MINUTE, AT_ONCE = 60.0, 3
KILLS_PER_MINUTE_MIN = 200 / 15
CALM_SECONDS = 1.0
"""With nothing broken before the clients are told to stop: all of them have to be served again."""
CLIENTS_END_SECONDS_MAX = 60.0
NODE_START_SECONDS_MAX = 240.0
LIMITS = {
    "http__workers": 2,
    "http__delivery_seconds": 3,
    "http__drain_seconds": 8,
    "http__header_seconds": 5,
    "http__body_seconds": 5,
    "http__request_seconds": 20,
    # As short as the longer pauses of the clients: many requests cross the end of their connection.
    "http__idle_seconds": 1,
}


def torture(asked: argparse.Namespace, seed: int, folder: Path, say: Callable[[str], None]) -> Outcome:
    """One run in `folder`, which holds all that it leaves."""
    for mutant in EDGE_MUTANTS:
        mutant.applied()  # raises where the code has changed: an edge that is whole would be tortured
    luck = random.Random(seed)
    weights = {name: weight * luck.choice([0.3, 1, 1, 3]) for name, (_, weight) in FAULTS.items()}
    enabled = {name: weight for name, weight in weights.items() if not spared(name, asked.spare)}
    outcome = Outcome(seed, enabled, KILLS, f"{NOTHING_WRONG}, 0 unanswered")
    journals = [folder / f"journal-{number}.jsonl" for number in range(PROCESSES)]
    with ExitStack() as stack:
        behind, before, listen = free_ports(3)
        wires = stack.enter_context(Wires([(before, behind)]))
        say("starting Kafka")
        proxied = [(behind, before)]
        kafka = stack.enter_context(LocalKafka(proxied=proxied, start_seconds_max=NODE_START_SECONDS_MAX))
        pipeline = edge_yaml(folder, f"127.0.0.1:{before}", http__listen=f"127.0.0.1:{listen}", **LIMITS)
        edge = EdgeHost(pipeline, folder / "edge.log", mutating(asked.mutant))
        stack.callback(edge.close)
        world = EdgeWorld(kafka, wires, edge)
        _flow(world, outcome, asked.minutes, _clients(listen, seed, journals), say)
        say("judging")
        _judge(world, outcome, journals)
    text = edge.log.read_text(errors="replace")
    outcome.faults += edge.faults + [f"bug: {bug!r} in {edge.log.name}" for bug in BUGS_SHOW_AS if bug in text]
    return outcome


def _flow(
    world: EdgeWorld,
    outcome: Outcome,
    minutes: float,
    clients: AbstractContextManager[None],
    say: Callable[[str], None],
) -> None:
    """Let clients post while things break; returns when all is mended, answered, and the edge has ended."""
    nemesis = Nemesis(
        world, FAULTS, outcome.enabled, KILLS, outcome.seed, per_minute=FAULTS_PER_MINUTE, at_once=AT_ONCE
    )
    wait_until(lambda: world.edge.running.request("GET", "/readyz").status == 200, world.edge.running.log)
    say(f"seed {outcome.seed}: {minutes:g} minutes of {', '.join(outcome.enabled)}")
    with clients:
        nemesis.torment(minutes * 60)
        say("everything is mended; waiting for the edge to be ready")
        wait_until(lambda: world.edge.running.request("GET", "/readyz").status == 200, world.edge.running.log)
    world.edge.end()
    outcome.happened = nemesis.happened
    outcome.faults += [f"promised and never happened: {name}" for name in nemesis.missing()]
    if outcome.killed < minutes * KILLS_PER_MINUTE_MIN:
        outcome.faults.append(f"promised: {KILLS_PER_MINUTE_MIN:.0f} kills a minute, and there were {outcome.killed}")
    outcome.counts = {**world.edge.counts, "faults cut short": len(nemesis.errors)}


@contextmanager
def _clients(port: int, seed: int, journals: Sequence[Path]) -> Iterator[None]:
    """All clients post while the `with` lasts; in the end each of them has had its last answer."""
    processes = []
    with ExitStack() as stack:
        for number, journal in enumerate(journals):
            words = [port, seed, number * CLIENTS_PER_PROCESS, CLIENTS_PER_PROCESS, journal]
            command = [sys.executable, str(HERE / "client.py"), *map(str, words)]
            processes.append(stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE)))
            stack.callback(processes[-1].kill)
        yield
        for process in processes:
            assert process.stdin is not None, "opened above"
            process.stdin.close()
        for process in processes:
            code = process.wait(CLIENTS_END_SECONDS_MAX)
            assert code == 0, f"clients ended with {code}"


def _judge(world: EdgeWorld, outcome: Outcome, journals: Sequence[Path]) -> None:
    edge = world.edge.running
    signals = json.dumps([[(kill.began, kill.ended) for kill in world.edge.kills], world.edge.asked])
    words = [world.kafka.bootstrap_servers, edge.topic, edge.dead_letter_topic, signals, outcome.seed, *journals]
    (world.edge.log.parent / "signals.json").write_text(signals)  # kept with --keep
    command = [sys.executable, str(HERE / "oracle.py"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        outcome.faults.append(f"the oracle did not judge: {done.stderr[-2000:]}")
        return
    outcome.faults += found["faults"]
    outcome.counts |= found["counts"]
    counts = Counter(found["counts"])
    needed = ("records in Kafka, as answered", "answered 202", "answered 207", "answered 422")
    # Nothing lost of nothing is no result.
    outcome.faults += [f"nothing: {name} is 0" for name in needed if not counts[name]]
