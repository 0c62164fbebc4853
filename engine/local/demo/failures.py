"""The story of `make demo STORY=failures`: what dies in the middle of the load, and that nothing is lost or twice."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence

from streamlake.engine.errors import LocalError
from streamlake.engine.local.demo.commands import Event
from streamlake.engine.local.demo.counts import Generated
from streamlake.engine.local.demo.engine import Engine, is_gone
from streamlake.engine.local.demo.failures_account import Fault, Seen, account
from streamlake.engine.local.demo.sampler import Sampler
from streamlake.engine.local.demo.steps import BROKEN, TOMBSTONES, Place, Steps
from streamlake.engine.local.ports import LOOPBACK, free_ports

WAVES = 4  # of orders: one for each fault, and a calm one
WAVE_SECONDS = 4.0
RECORDS_A_SECOND_MIN = 300.0  # of a small wave, which is over sooner
SLOWER_MAX = 8  # times
PART_BEFORE_THE_FAULT, PART_TOO_LATE = 0.25, 0.7  # of a wave
KILLED = 2  # workers at once
SECONDS_MAX = 180.0
"""How long it may take until the ledger has what was sent, faults or not; seconds, where nobody else needs the CPU."""


class FailuresStory(Steps):
    """The faults, one after the other, each in the middle of a wave of orders."""

    name = "failures"
    title = "The failure path: workers, the supervisor and the broker die in the middle of the load"
    # Kafka takes a dead member out of its group after this time, by default 45 s: a demo would rather not wait.
    more_yaml = '  properties: {session.timeout.ms: "6000"}\n'

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._made = Generated.of(0, 0, 0)
        self._waves = self._acknowledged = 0
        self._faults: list[Fault] = []
        self._killed: set[str] = set()  # partitions whose new worker has not committed yet

    def tell(self) -> bool:
        """Tell it all; whether everything that was counted agrees."""
        self._make_topics()
        self._screen.step("An engine that runs for good, and waits for orders")
        listen = f"{LOOPBACK}:{free_ports(1)[0]}"
        arguments = self._of_pipeline("run", "--set", f"metrics.listen={listen}", "--set", "batch.seconds_max=0.3")
        with Sampler(listen, self._screen.recording) as sampler, Engine(self._commands, arguments, self._heard) as it:
            sampler.wait_for(sampler.knows_all, "an engine that knows where each partition is", SECONDS_MAX)
            self._break_it(sampler, it)
            self._screen.step("The last wave: nothing breaks, and then SIGTERM")
            self._wave(sampler, None)
            self._screen.command(["kill", str(it.pid)])
            self._screen.recording.mark("SIGTERM")
            code = it.end(signal.SIGTERM)
            self._screen.event(f"exit code {code}")
        return self._count(code)

    def _break_it(self, sampler: Sampler, engine: Engine) -> None:
        self._screen.step(f"kill -9 of {KILLED} workers in the middle of the load")
        self._screen.say("Look at where their successors go on: where the ledger ends, whatever was in hand.")
        self._wave(sampler, lambda: self._kill_workers(sampler))
        self._screen.step("kill -9 of the supervisor in the middle of the load")
        self._screen.say("A worker does not outlive it. Then the same command again, as systemd or a pod would do.")
        self._wave(sampler, lambda: self._kill_supervisor(sampler, engine))
        if self._cluster.restart is None:
            self._screen.step("No restart of the broker: this Kafka is not ours")
            self._screen.say("KAFKA_BOOTSTRAP_SERVERS names a cluster that was there before, which is left alone.")
            self._wave(sampler, None)
        else:
            self._screen.step("Stop the broker in the middle of the load, and start it again")
            self._screen.say("Producer and engine wait for it. Nobody tells them anything.")
            self._wave(sampler, lambda: self._restart_broker(self._cluster.restart or (lambda: None)))

    def _wave(self, sampler: Sampler, fault: Callable[[], str] | None, slower: int = 1) -> None:
        """A wave of orders, the fault while they are sent, and the wait until all of them are in the ledger.

        On a machine that has so much else to do that the wave is over before the fault, a slower one follows.
        """
        before, records = sampler.done, self._settings.records // WAVES
        seconds = slower * min(WAVE_SECONDS, records / RECORDS_A_SECOND_MIN)
        self._waves += 1
        sent = self._producing(records, seed=self._waves)
        command = self._of_pipeline(*sent, "--rate", f"{records / seconds:g}", "--json")
        late = False
        with self._commands.running(*command) as producer:
            if fault is not None:
                begun = before + int(records * PART_BEFORE_THE_FAULT)
                sampler.wait_for(lambda: sampler.done >= begun, f"the first orders of wave {self._waves}", SECONDS_MAX)
                at, sending = sampler.done, producer.poll() is None
                late = (not sending or at > before + records * PART_TOO_LATE) and slower < SLOWER_MAX
                if not late:
                    self._faults.append(Fault(fault(), sending, before, at, before + records))
            self._acknowledged += _acknowledged(producer)
        self._made += Generated.of(records, BROKEN, TOMBSTONES)
        sampler.wait_for(lambda: sampler.done >= self._acknowledged, "all that was sent in the ledger", SECONDS_MAX)
        self._screen.event(f"{sampler.done:,} of {self._acknowledged:,} acknowledged orders are in the ledger")
        if late:
            self._screen.event("the wave was all but over before the fault: a slower one")
            self._wave(sampler, fault, 2 * slower)

    def _kill_workers(self, sampler: Sampler) -> str:
        victims = [one for one in sampler.partitions.values() if one["pid"] is not None][:KILLED]
        self._killed = {f"{one['topic']}/{one['partition']}" for one in victims}
        names = " and ".join(str(one["partition"]) for one in victims)
        for one in victims:
            os.kill(one["pid"], signal.SIGKILL)
        self._screen.recording.mark(f"kill -9: workers {names}")
        self._screen.command(["kill", "-9", *(str(one["pid"]) for one in victims)])
        self._screen.event(f"these were the workers of the partitions {names}")
        sampler.wait_for(lambda: not self._killed, "a commit of each of their successors", SECONDS_MAX)
        return f"the workers of partitions {names} were killed"

    def _kill_supervisor(self, sampler: Sampler, engine: Engine) -> str:
        workers = [one["pid"] for one in sampler.partitions.values() if one["pid"] is not None]
        self._screen.recording.mark("kill -9: supervisor")
        self._screen.command(["kill", "-9", str(engine.pid)])
        engine.end(signal.SIGKILL)
        sampler.wait_for(lambda: all(map(is_gone, workers)), "the end of its workers", SECONDS_MAX)
        self._screen.event(f"its {len(workers)} workers are gone, too")
        engine.start()
        self._screen.recording.mark("started again")
        self._screen.say(
            "Kafka gives the partitions of the dead one away once it has missed it for session.timeout.ms, 6 s here."
        )
        return "the supervisor was killed, and its workers went with it"

    def _restart_broker(self, restart: Callable[[], None]) -> str:
        self._screen.recording.mark("broker stopped")
        restart()
        self._screen.recording.mark("broker is back")
        self._screen.event(f"it is back, at {self._cluster.servers}")
        return "the broker was stopped and started again"

    def _heard(self, event: Event) -> None:
        """What the engine logs, in the thread that reads it."""
        match event["event"]:
            case "assigned":
                names = ", ".join(name.rpartition("/")[2] for name in event["partitions"])
                self._screen.event(f"the group gave us the partitions {names}: one worker process each")
            case "worker ended":
                self._screen.event(f"the supervisor has seen it: {event['partition']}: {event['why']}")
            case "committed" if event["partition"] in self._killed:
                self._killed.discard(event["partition"])
                first = event["first"]
                self._screen.event(f"{event['partition']}: its new worker goes on where the ledger ends, at {first:,}")

    def _count(self, code: int) -> bool:
        self._screen.step("Count")
        in_kafka = self._in_kafka()
        read = self._read_back()
        in_files, in_topic = (self._counted_letters(source) for source in ("files", "topic"))
        ledger = self._ledger()
        self._screen.step("The proof: nothing is lost, nothing is twice")
        seen = Seen(
            self._acknowledged, in_kafka, self._faults, read.rows, in_files, in_topic, ledger, code, self._proven()
        )
        rows = sum(row[1] for row in read.rows)
        hops: Sequence[tuple[str, int, str]] = (
            ("sent by the producers", seen.acknowledged, "their acknowledgements"),
            ("in the topic", in_kafka, "Kafka's first and last offsets"),
            ("accounted for in the ledger", ledger.all, "streamlake status"),
            ("  landed", ledger.landed, "streamlake status"),
            ("  refused", ledger.refused, "streamlake status"),
            ("  skipped, for they are tombstones", ledger.skipped, "streamlake status"),
            ("rows in Parquet files", rows, read.reader),
            ("dead letters in files", in_files.copies, "streamlake dead list"),
            ("  of these in the dead-letter topic", in_topic.records, "streamlake dead list --source topic"),
        )
        self._hops(*hops)
        return self._agree(account(self._made, seen))


def _acknowledged(producer: "subprocess.Popen[str]") -> int:
    """How many records it has sent, once it has ended. Raises LocalError where it failed."""
    out, said = producer.communicate()
    if producer.returncode:
        raise LocalError(f"`streamlake produce` failed with exit code {producer.returncode}: {said.strip()}")
    count: int = json.loads(out)["acked"]
    return count
