"""The story that `make demo` tells: orders from a real Kafka into a lake, a worker killed, and the proof.

Settings by the environment: SINK (`file`, or `gs` for a bucket), DEMO_RECORDS (150000), KEEP=1 (servers and files
stay), KAFKA_BOOTSTRAP_SERVERS (a cluster that is there already), STREAMLAKE_LOCAL_JAVA (`engine/local/java.py`).
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from streamlake.engine.errors import Exit, LocalError, StreamLakeError
from streamlake.engine.local.demo_account import Seen, account
from streamlake.engine.local.demo_counts import Generated, Ledger, Letters, Row
from streamlake.engine.local.demo_gcs import kept_bucket, own_bucket
from streamlake.engine.local.demo_http import account as account_of_http
from streamlake.engine.local.demo_http import post_orders
from streamlake.engine.local.demo_kafka import kept_kafka, own_kafka
from streamlake.engine.local.demo_kept import emptied
from streamlake.engine.local.demo_lake import Folder, Lake
from streamlake.engine.local.demo_run import Commands, Landing, land
from streamlake.engine.local.demo_screen import Screen
from streamlake.engine.local.ports import LOOPBACK, free_ports

PIPELINE = "config/examples/orders.yaml"
TOPIC, DEAD_TOPIC = "streamlake.order.raw", "streamlake.orders.dlq"
SINKS = ("file", "gs")
RECORDS, RECORDS_MIN = 150_000, 2_000
BROKEN, TOMBSTONES = "0.4%", "0.02%"
COMMITS = 60  # about how many batches the run is cut into, so that there is a middle to kill a worker in
SHOWN = 6


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. `folder` is where everything lies that the demo makes."""

    records: int
    keep: bool
    servers: str | None
    folder: Path
    streamlake: Sequence[str]
    sink: str = "file"

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Raises LocalError for a sink that is none of SINKS, and for too few records to kill a worker in between."""
        sink = environment.get("SINK") or "file"
        if sink not in SINKS:
            raise LocalError(f"SINK={sink}: must be one of {', '.join(SINKS)}")
        text = environment.get("DEMO_RECORDS") or str(RECORDS)
        if not text.isdecimal() or int(text) < RECORDS_MIN:
            raise LocalError(f"DEMO_RECORDS={text}: must be a number, {RECORDS_MIN} or more")
        streamlake = str(Path(sys.executable).with_name("streamlake"))
        servers = environment.get("KAFKA_BOOTSTRAP_SERVERS") or None
        return cls(int(text), environment.get("KEEP") == "1", servers, Path.cwd() / ".demo", [streamlake], sink)


class Story:
    """The steps, in the order in which they are told; each keeps what it counted for the end."""

    def __init__(self, settings: Settings, servers: str, lake: Lake, screen: Screen) -> None:
        self._settings, self._lake, self._screen = settings, lake, screen
        environment = {"KAFKA_BOOTSTRAP_SERVERS": servers, **lake.environment}
        for name, value in environment.items():
            screen.command(["export", f"{name}={value}"])
        self._commands = Commands(settings.streamlake, environment, screen)
        self._names = [] if settings.servers is None else _names_of_our_own()
        self._generated = Generated.of(settings.records, float(BROKEN[:-1]) / 100, float(TOMBSTONES[:-1]) / 100)

    def tell(self) -> bool:
        """Tell it all; whether everything that was counted agrees."""
        self._make_topics()
        self._produce()
        landing = self._land()
        self._show_files()
        rows = self._read_back()
        in_files, in_topic = self._dead_letters()
        seen = Seen(landing, rows, in_files, in_topic, self._status(), self._prove())
        self._screen.step("The account")
        agrees = True
        for sentence, holds in account(self._generated, seen):
            self._screen.checked(sentence, holds=holds)
            agrees = agrees and holds
        return self._over_http() and agrees

    def _make_topics(self) -> None:
        self._screen.step("The topics, as the pipeline's YAML wants them")
        self._must("topics", "apply")

    def _produce(self) -> None:
        settings, made = self._settings, self._generated
        self._screen.step(f"{settings.records:,} orders into {TOPIC}")
        self._screen.say(
            f"TPC-H orders as nested JSON. {made.broken} are broken, in ten ways: cut off, not UTF-8, a wrong type, a "
            f"negative amount, a date that is none, too large … and {made.tombstones} are tombstones (no value at all)."
        )
        wanted = ("--generate", "orders", "--records", str(settings.records))
        self._must("produce", *wanted, "--broken", BROKEN, "--tombstones", TOMBSTONES)

    def _land(self) -> Landing:
        self._screen.step("Land them as Parquet: one worker process per partition, one of them killed with -9")
        self._screen.say(
            "Batches are kept small here, so that a worker has something to be in the middle of. Look at where the "
            "killed one's successor goes on: no offset is left out and none comes twice."
        )
        listen = f"{LOOPBACK}:{free_ports(1)[0]}"
        small = f"batch.rows_max={max(1, self._settings.records // COMMITS)}"
        arguments = ("run", PIPELINE, *self._names, "--until-end", "--set", small, "--set", f"metrics.listen={listen}")
        landing = land(self._commands, arguments, listen, self._settings.records, self._screen)
        self._screen.event(f"exit code {landing.exit_code}, {sum(landing.commits.values())} commits")
        return landing

    def _show_files(self) -> None:
        self._screen.step("What lies in the lake")
        self._screen.say(self._lake.place)
        for name, what in (
            ("raw", "what readers see: complete files, never rewritten"),
            ("dead", "the refused records, each with its reason"),
            ("_ledger", "what became of every offset: immutable entries, chained by sha256"),
            ("_stage", "not committed: left by the killed worker, collected by its successor"),
            ("_runs", "who writes here, and where each partition starts"),
        ):
            files = self._lake.files(name)
            size = sum(size for _, size in files)
            self._screen.output([f"{name + '/':<9} {len(files):>4} files {size / 1e6:7.2f} MB  {what}"])
            if name == "raw":
                self._screen.output(f"  {path}" for path, _ in files[:2])
                self._screen.output(["  …"])

    def _read_back(self) -> Sequence[Row]:
        self._screen.step("Read the Parquet files with a reader that knows nothing of StreamLake")
        read = self._lake.read_back()
        self._screen.output([f"{read.reader}>", *read.asked.splitlines()])
        names = ("partition", "rows", "offsets", "first", "last")
        self._screen.output("".join(f"{cell:>12}" for cell in line) for line in (names, *read.rows))
        self._screen.say("The numbers that are missing between first and last were refused or skipped: see below.")
        return read.rows

    def _dead_letters(self) -> tuple[Letters, Letters]:
        self._screen.step(f"The broken ones: in dead-letter files, and copies in {DEAD_TOPIC}")
        self._must("dead", "list", "--limit", str(SHOWN))
        found = []
        for source in ("files", "topic"):
            options = ("--json", "--limit", str(10 * self._settings.records), "--source", source)
            letters = Letters.of(self._must("dead", "list", *options, show=False).splitlines())
            self._screen.output([f"(read and counted: {letters.records} records: {letters})"])
            found.append(letters)
        in_files, in_topic = found
        if in_files.example:
            self._screen.say("Each of them can be looked at, with the rule that it broke and its original bytes:")
            self._must("dead", "show", in_files.example)
        return in_files, in_topic

    def _over_http(self) -> bool:
        self._screen.step("The same over HTTP, for whoever can't hold a Kafka client")
        listen = f"http.listen={LOOPBACK}:{free_ports(1)[0]}"
        arguments = ("serve", PIPELINE, *self._names, "--set", listen, "--set", "http.workers=1")
        posted = post_orders(self._commands, arguments, self._screen)
        self._screen.say("They are records as all others: the next run lands them.")
        self._must("run", "--until-end")
        options = ("--json", "--limit", str(10 * self._settings.records), "--source", "topic")
        letters = self._must("dead", "list", *options, show=False).splitlines()
        refused_there = [letter for letter in map(json.loads, letters) if letter["run"] == "http"]
        agrees = True
        for sentence, holds in account_of_http(posted, self._lake.value_at(posted.stored), refused_there):
            self._screen.checked(sentence, holds=holds)
            agrees = agrees and holds
        return agrees

    def _status(self) -> Ledger:
        self._screen.step("How far every partition is")
        self._must("status")
        return Ledger.of(json.loads(self._must("status", "--json", show=False)))

    def _prove(self) -> bool:
        self._screen.step("The proof: every offset in exactly one row, dead letter or counted skip")
        self._screen.say("From the ledger and the files; with --kafka every value is compared with the topic's own.")
        code, _ = self._commands.run("prove", PIPELINE, *self._names, "--kafka")
        return code == 0

    def _must(self, *arguments: str, show: bool = True) -> str:
        """A command of the pipeline's: its YAML and the topics' names are put in where they belong."""
        at = 2 if arguments[0] in ("topics", "dead") else 1
        return self._commands.must(*arguments[:at], PIPELINE, *arguments[at:], *self._names, show=show)


def tell(settings: Settings, screen: Screen) -> bool:
    """Start servers, tell the story, stop them; whether all counts agree. Raises LocalError if it can't go on."""
    if not Path(PIPELINE).exists():
        raise LocalError(f"{PIPELINE} is not here: the demo runs in a clone of the repository, by `make demo`")
    began = time.monotonic()
    with emptied(settings.folder), _kafka(settings, screen) as servers, _lake(settings, screen) as lake:
        agrees = Story(settings, servers, lake, screen).tell()
        screen.say(f"{'All of it' if agrees else 'It'} took {time.monotonic() - began:.0f} s.")
    _say_what_is_left(settings, lake, screen)
    return agrees


def _kafka(settings: Settings, screen: Screen) -> AbstractContextManager[str]:
    if settings.servers is not None:
        screen.step("The Apache Kafka that KAFKA_BOOTSTRAP_SERVERS names")
        return nullcontext(settings.servers)
    if settings.keep:
        return kept_kafka(settings.folder, settings.streamlake, screen)
    return own_kafka(settings.folder, screen)


def _lake(settings: Settings, screen: Screen) -> AbstractContextManager[Lake]:
    if settings.sink == "file":
        return nullcontext(Folder(settings.folder / "lake"))
    if settings.keep:
        return kept_bucket(settings.folder, settings.streamlake, screen)
    return own_bucket(settings.folder, screen)


def _say_what_is_left(settings: Settings, lake: Lake, screen: Screen) -> None:
    if settings.servers is not None:
        screen.say(f"The topics that were made stay on {settings.servers}: see `topics apply` above.")
    elif not settings.keep:
        screen.say("Kafka is stopped. KEEP=1 make demo leaves it running.")
    screen.say(f"Everything lies in {settings.folder}, until the next demo. Try:")
    lake.say_how_to_reach_it(screen)
    screen.command([".venv/bin/streamlake", "prove", PIPELINE])
    screen.command([".venv/bin/streamlake", "dead", "list", PIPELINE, "--reason", "oversize"])


def main() -> int:
    """`python -m streamlake.engine.local.demo`: 0 when every count agrees, 1 when one is off, 130 on Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job has SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    screen = Screen()
    try:
        return Exit.DONE if tell(Settings.read(os.environ), screen) else Exit.FAILED
    except StreamLakeError as error:
        sys.stderr.write(f"{error}\n")
        return Exit.FAILED
    except BrokenPipeError:  # the reader of a pipe has gone: nobody is left to tell it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except KeyboardInterrupt:
        sys.stderr.write("stopped; Kafka is stopped, too\n")
        return Exit.INTERRUPTED


def _names_of_our_own() -> list[str]:
    """On a cluster that was there before: topics and a group that nobody else has."""
    mark = time.strftime("demo-%Y%m%d-%H%M%S")
    changes = (
        f"kafka.topics[{TOPIC}].name={TOPIC}.{mark}",
        f"dead_letters.topic.name={DEAD_TOPIC}.{mark}",
        f"kafka.group_id=streamlake.{mark}",
    )
    return [part for change in changes for part in ("--set", change)]


if __name__ == "__main__":
    sys.exit(main())
