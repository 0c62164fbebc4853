"""What can break in a tortured world: each kind of fault as a function that breaks something and mends it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random

import psutil
import yaml
from confluent_kafka import KafkaException
from confluent_kafka.admin import NewPartitions, NewTopic  # type: ignore[attr-defined]  # its stubs forget them
from torture.bucket_faults import IN_A_BUCKET
from torture.hosts import Host
from torture.power import cut_power
from torture.world import World

PARTITIONS_MAX = 16
DELETED_SECONDS_MAX = 60.0
STOPS_THIEVES = (*["before_entry_link"] * 3, "after_claim", "after_roll_forward", *["after_collect"] * 3)
"""Most often between a look at the ledger and the claim, for then the owner goes on; or before it folds."""
STORAGE_ROUNDS = 5
"""How often one thief steals: to start one takes as long as a dozen commits."""


Fault = Callable[[World, Random], bool]
"""Breaks something and mends it, with luck of its own; False when there was nothing to break just now."""


def kill_worker(world: World, luck: Random) -> bool:
    """SIGKILL one worker."""
    return _signal_worker(world, luck, signal.SIGKILL)


def pause_worker(world: World, luck: Random) -> bool:
    """Stop one worker for a while: its supervisor takes it for stuck, or it goes on as if nothing had been."""
    host = _running_host(world, luck)
    worker = host.some_worker(luck) if host else None
    if worker is None:
        return False
    try:
        worker.suspend()
        world.over.wait(luck.uniform(0.5, 12))
        worker.resume()
    except psutil.NoSuchProcess:
        pass  # killed meanwhile, which is a fault, too
    return True


def kill_supervisor(world: World, luck: Random) -> bool:
    """SIGKILL a supervisor; its workers have to follow it."""
    host = _running_host(world, luck)
    return host is not None and host.signal(signal.SIGKILL)


def kill_host(world: World, luck: Random) -> bool:
    """SIGKILL all of a host at once."""
    host = _running_host(world, luck)
    return host is not None and host.signal_everything(signal.SIGKILL)


def kill_all_hosts(world: World, luck: Random) -> bool:
    """SIGKILL all of all hosts at once, as a power cut would that spares the disk."""
    killed = [host.signal_everything(signal.SIGKILL) for host in world.hosts]
    return sum(killed) > 1


def freeze_host(world: World, luck: Random) -> bool:
    """Stop all of a host for longer than the group waits: a zombie, whose partitions others take."""
    return _stop_for_a_while(world, luck, Host.signal_everything)


def pause_supervisor(world: World, luck: Random) -> bool:
    """Stop a supervisor while its workers go on: nobody answers them, and nobody tells the group that it is alive."""
    return _stop_for_a_while(world, luck, Host.signal)


def third_host(world: World, luck: Random) -> bool:
    """Another engine joins the group, and leaves it again."""
    host = world.hosts[-1]
    if not host.lock.acquire(blocking=False):
        return False
    try:
        host.start()
        world.over.wait(luck.uniform(4, 20))
        came = bool(host.family())
        host.leave()
        return came
    finally:
        host.lock.release()


def leave_and_return(world: World, luck: Random) -> bool:
    """A host drains on SIGTERM, and comes back."""
    host = _running_host(world, luck)
    return host is not None and host.signal(signal.SIGTERM)


def change_limits(world: World, luck: Random) -> bool:
    """New batch limits in the YAML, and SIGHUP."""
    tree = yaml.safe_load(world.pipeline.read_text())
    tree["batch"] = {
        "rows_max": luck.choice([50, 200, 1000, 5000]),
        "seconds_max": luck.choice([0.3, 1, 3]),
    }
    # As an editor does it: the old file or the new one, never half of one.
    new = world.pipeline.with_suffix(".new")
    new.write_text(yaml.safe_dump(tree))
    new.replace(world.pipeline)
    told = [host.signal(signal.SIGHUP) for host in world.hosts]
    return any(told)


def kill_broker(world: World, luck: Random) -> bool:
    """SIGKILL a node, and start it again."""
    return _without_node(world, luck, world.kafka.kill, world.kafka.restart)


def pause_broker(world: World, luck: Random) -> bool:
    """Stop a node's clock, for less or more than the cluster waits for it."""
    return _without_node(world, luck, world.kafka.pause, world.kafka.resume)


def move_leaders(world: World, luck: Random) -> bool:
    """Stop a node in order, so that others lead its partitions; start it, and elect the preferred leaders again."""
    from confluent_kafka import ElectionType  # noqa: PLC0415  (not in its stubs everywhere)

    def elect(node: int) -> None:
        world.kafka.restart(node)
        world.admin.elect_leaders(ElectionType.PREFERRED).result(30)

    return _without_node(world, luck, lambda _: None, elect)


def cut_wires(world: World, luck: Random) -> bool:
    """No connection between engines and brokers."""
    return _on_the_wire(world, luck, world.wires.cut, 0.2, 9)


def slow_wires(world: World, luck: Random) -> bool:
    """Each piece of data is late."""
    return _on_the_wire(world, luck, lambda: world.wires.slow(luck.uniform(0.02, 0.4)), 2, 10)


def swallow_wires(world: World, luck: Random) -> bool:
    """Nothing comes through, and nobody is told."""
    return _on_the_wire(world, luck, world.wires.swallow, 0.5, 9)


def full_disk(world: World, luck: Random) -> bool:
    """Some writes find no space left."""
    return _on_the_disk(world, luck, "ENOSPC", [0.05, 0.3, 1])


def failing_disk(world: World, luck: Random) -> bool:
    """Some links fail."""
    return _on_the_disk(world, luck, "EIO", [0.05, 0.3])


def failing_fsync(world: World, luck: Random) -> bool:
    """Some fsyncs fail."""
    return _on_the_disk(world, luck, "fsync", [0.02, 0.1])


def slow_disk(world: World, luck: Random) -> bool:
    """Some calls take long: what else happens between two steps of a commit has time to happen."""
    return _on_the_disk(world, luck, "slow", [0.02, 0.1, 0.3])


def kill_at_the_disk(world: World, luck: Random) -> bool:
    """Whoever calls the disk may be killed before the call, workers and supervisors."""
    return _on_the_disk(world, luck, "kill", [0.005, 0.02, 0.1])


def lose_answers(world: World, luck: Random) -> bool:
    """Some changes are made and not answered, not made, or made later: the storage does not say which."""
    return _on_the_disk(world, luck, "lost", [0.05, 0.3])


def steal_partitions(world: World, luck: Random) -> bool:
    """Somebody outside of the group claims a partition or all, as a host that was given up may, and is gone.

    Half of them die with the claim: nothing collects what the owner stages then, and only its append can be fenced.
    Others stand still in the middle of it, and go on when somebody else has come after them.
    """
    one, every = [luck.randrange(world.partitions)], range(world.partitions)
    numbers = map(str, luck.choice([one, every]))
    where = "after_claim" if luck.random() < 0.5 else f"{luck.choice(STOPS_THIEVES)}=STOP"
    rounds = STORAGE_ROUNDS if world.mild else 1
    failpoint = f"{where}:{rounds * world.partitions}:{world.pipeline}.{luck.random()}"
    env = {**os.environ, **world.engine_env, "STREAMLAKE_FAILPOINT": failpoint}
    command = [sys.executable, str(Path(__file__).with_name("thief.py")), str(world.pipeline)]
    command += [str(rounds), str(luck.uniform(0, luck.choice([1, 6]))), world.topic, *numbers]
    # With no end of a pipe of this run: nobody waits for a thief's child that outlives it.
    quiet = subprocess.DEVNULL
    thief = subprocess.Popen(command, env=env, stdout=quiet, stderr=quiet, start_new_session=True)
    world.thieves.add(thief)
    try:
        return thief.wait(60) == 0
    finally:
        world.thieves.remove(thief)
        with suppress(ProcessLookupError):
            os.killpg(thief.pid, signal.SIGKILL)  # a child of it that stands still would do so for ever
        thief.wait()


def add_partition(world: World, luck: Random) -> bool:
    """One partition more."""
    if world.partitions >= PARTITIONS_MAX or not world.cluster.acquire(blocking=False):
        return False
    try:
        more = NewPartitions(world.topic, world.partitions + 1)
        world.admin.create_partitions([more])[world.topic].result(30)
        world.partitions += 1
        return True
    finally:
        world.cluster.release()


def take_dead_topic(world: World, luck: Random) -> bool:
    """The dead-letter topic is deleted, and made again after a while."""
    if not world.cluster.acquire(blocking=False):
        return False
    try:
        try:
            world.admin.delete_topics([world.dead_topic])[world.dead_topic].result(30)
            world.over.wait(luck.uniform(1, 8))
        finally:
            make_dead_topic(world)  # a deletion without an answer may come to pass all the same
        return True
    finally:
        world.cluster.release()


def make_dead_topic(world: World) -> None:
    """The dead-letter topic, once the cluster has forgotten one that was just deleted. Raises KafkaException."""
    until = time.monotonic() + DELETED_SECONDS_MAX
    while True:
        new = NewTopic(world.dead_topic, 1, world.nodes, config={"max.message.bytes": "2000000"})
        try:
            world.admin.create_topics([new])[world.dead_topic].result(30)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS" or time.monotonic() > until:
                raise
            threading.Event().wait(0.3)  # deletion has no event to wait for
        else:
            return


def _running_host(world: World, luck: Random) -> Host | None:
    running = [host for host in world.hosts if host.runs and not host.lock.locked()]
    return luck.choice(running) if running else None


def _stop_for_a_while(world: World, luck: Random, send: Callable[[Host, int], bool]) -> bool:
    host = _running_host(world, luck)
    if host is None or not host.lock.acquire(blocking=False):
        return False
    try:
        if not send(host, signal.SIGSTOP):
            return False
        world.over.wait(luck.uniform(1, 14))
        return send(host, signal.SIGCONT)
    finally:
        host.lock.release()


def _signal_worker(world: World, luck: Random, number: int) -> bool:
    host = _running_host(world, luck)
    worker = host.some_worker(luck) if host else None
    if worker is None:
        return False
    try:
        worker.send_signal(number)
    except psutil.NoSuchProcess:
        return False
    return True


def _without_node(world: World, luck: Random, take: Callable[[int], None], give: Callable[[int], None]) -> bool:
    if not world.cluster.acquire(blocking=False):
        return False
    try:
        node = luck.randint(1, world.nodes)
        take(node)
        world.over.wait(luck.uniform(0.2, 10))
        give(node)
        return True
    finally:
        world.cluster.release()


def _on_the_wire(world: World, luck: Random, spoil: Callable[[], None], shortest: float, longest: float) -> bool:
    if not world.wire.acquire(blocking=False):
        return False
    try:
        spoil()
        world.over.wait(luck.uniform(shortest, longest))
        world.wires.mend()
        return True
    finally:
        world.wire.release()


def _on_the_disk(world: World, luck: Random, kind: str, chances: list[float]) -> bool:
    """Whether a fault of this kind was really met: the disk notes each one that it makes."""
    if kind in world.disk_chances:
        return False
    before = _noted(world, kind)
    _set_chance(world, kind, min(chances) if world.mild else luck.choice(chances))
    world.over.wait(luck.uniform(1, 6))
    _set_chance(world, kind, None)
    return _noted(world, kind) > before


def _set_chance(world: World, kind: str, chance: float | None) -> None:
    with world.disk_lock:
        world.disk_chances.pop(kind, None)
        if chance is not None:
            world.disk_chances[kind] = chance
        # As an editor does it: a process that looks meanwhile sees the old or the new.
        new = world.disk.with_suffix(".new")
        new.write_text(json.dumps(world.disk_chances))
        new.replace(world.disk)


def _noted(world: World, kind: str) -> int:
    log = world.disk.with_suffix(".log")
    return log.read_text(encoding="ascii").split().count(kind) if log.exists() else 0


FAULTS: Mapping[str, tuple[Fault, float]] = {
    "worker killed": (kill_worker, 8),
    "worker paused": (pause_worker, 2),
    "supervisor killed": (kill_supervisor, 2),
    "host killed": (kill_host, 2),
    "all hosts killed": (kill_all_hosts, 0.5),
    "supervisor paused": (pause_supervisor, 1),
    "host frozen": (freeze_host, 1.5),
    "third host came and went": (third_host, 1),
    "host drained and came back": (leave_and_return, 1),
    "limits changed by SIGHUP": (change_limits, 1),
    "broker killed": (kill_broker, 0.8),
    "broker paused": (pause_broker, 0.8),
    "leaders moved": (move_leaders, 0.6),
    "wires cut": (cut_wires, 1.2),
    "wires slow": (slow_wires, 0.8),
    "wires swallow": (swallow_wires, 1),
    "disk full": (full_disk, 1),
    "disk failing": (failing_disk, 1),
    "fsync failing": (failing_fsync, 1),
    "disk slow": (slow_disk, 1.5),
    "answers lost": (lose_answers, 1.5),
    "partitions stolen": (steal_partitions, 1),
    "partition added": (add_partition, 0.3),
    "dead-letter topic gone": (take_dead_topic, 0.6),
    "killed at the disk": (kill_at_the_disk, 2),
    "power cut": (cut_power, 2),
}
"""Each kind of fault by its name in the table of docs/reliability.md, with its usual weight."""

ON_A_DISK = (
    *("disk full", "disk failing", "fsync failing", "disk slow", "answers lost", "killed at the disk", "power cut"),
)
"""What can't happen to a root in a bucket; there are these instead."""

ALL_FAULTS: Mapping[str, tuple[Fault, float]] = {**FAULTS, **IN_A_BUCKET}

UNPICKED = ("power cut",)
"""What no seed picks by itself, only `--everything`: tests/power has more of it, and seeds stay what they were."""

STORAGE = {
    "worker killed": 1.0,
    "worker paused": 1.0,
    "host frozen": 0.5,
    "disk failing": 1.0,
    "fsync failing": 1.0,
    "disk slow": 1.0,
    "answers lost": 1.0,
    "partitions stolen": 3.0,
    "killed at the disk": 1.0,
    "power cut": 1.5,
}
"""What befalls the storage and those who write to it, with weights for `--storage`."""

KILLS = (
    *("worker killed", "supervisor killed", "host killed", "all hosts killed", "killed at the disk"),
    "bucket: killed at it",
)
