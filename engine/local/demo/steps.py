"""What the demo's stories share: a pipeline and topics of their own, orders, an engine that is sampled, and counts."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from streamlake.engine.local.demo.commands import Commands, Event
from streamlake.engine.local.demo.counts import Generated, Ledger, Letters
from streamlake.engine.local.demo.kafka import Cluster
from streamlake.engine.local.demo.lake import Lake, ReadBack
from streamlake.engine.local.demo.recording import Chapter, Hop
from streamlake.engine.local.demo.sampler import Sampler
from streamlake.engine.local.demo.screen import Screen
from streamlake.engine.local.demo.settings import PIPELINE, Names, Settings, story_yaml
from streamlake.engine.local.ports import LOOPBACK, free_ports

GROUPS = ("topics", "dead", "replay", "offsets")
BROKEN, TOMBSTONES = 0.004, 0.0002
COMMITS = 60  # about how many batches a run is cut into, so that there is a middle to kill something in
SHOWN = 6


@dataclass(frozen=True, slots=True)
class Place:
    """Where a story is told. `mark` goes behind the names of its topics, on a cluster that was there before."""

    settings: Settings
    cluster: Cluster
    lake: Lake
    screen: Screen
    mark: str = ""


class Steps(ABC):
    """The steps that every story begins with, and what it runs and says the others by."""

    name: ClassVar[str]
    title: ClassVar[str]
    more_yaml: ClassVar[str] = ""

    def __init__(self, place: Place) -> None:
        self._settings, self._screen, self._cluster = place.settings, place.screen, place.cluster
        self._lake = place.lake.below(self.name)
        self._chapter: Chapter = place.screen.chapter(self.name, self.title)
        self._names = Names.of(self.name, mark=place.mark)
        self.pipeline = place.settings.folder / f"{self.name}.yaml"
        self._logs = place.settings.folder / "logs" / self.name
        self._commands = Commands(place.settings.streamlake, place.lake.environment, self._logs, place.screen)
        self._small = f"batch.rows_max={max(1, place.settings.records // COMMITS)}"

    @abstractmethod
    def tell(self) -> bool:
        """Tell it all; whether everything that was counted agrees."""

    def keep_what_landed(self) -> None:
        """Some rows, some dead letters and the logs, for the report; also of a story that broke off."""
        self._chapter.logs.update((path.name, path.read_text()) for path in sorted(self._logs.glob("*.log")))
        self._chapter.rows = self._lake.some_rows(SHOWN)
        code, found = self._commands.quietly(*self._of_pipeline("dead", "list", "--json", "--limit", str(SHOWN)))
        self._chapter.letters = [] if code else [json.loads(line) for line in found.splitlines()]

    def _make_topics(self) -> None:
        self._screen.step("A pipeline, and the topics that it wants")
        names = self._names
        yaml = story_yaml(
            Path(PIPELINE).read_text(), names, self._cluster.servers, json.dumps(self._lake.root), self.more_yaml
        )
        self.pipeline.write_text(yaml)
        self._screen.say(f"{self._pipeline_name} is {PIPELINE} with these names, and a place of its own in the lake:")
        self._screen.output([f"{names.topic}, {names.dead_topic}, group {names.group}, {self._lake.root}"])
        self._must("topics", "apply")

    def _introduce_orders(self, made: Generated) -> None:
        self._screen.say(
            f"TPC-H orders as nested JSON. {made.broken} are broken, in ten ways: cut off, not UTF-8, a wrong type, a "
            f"negative amount, a date that is none, too large … and {made.tombstones} are tombstones (no value at all)."
        )

    def _produce(self, records: int, *more: str, seed: int = 0) -> Generated:
        """Generated orders, some of them broken, sent and acknowledged."""
        made = Generated.of(records, BROKEN, TOMBSTONES)
        self._must(*self._producing(records, seed), *more)
        return made

    def _producing(self, records: int, seed: int = 0) -> Sequence[str]:
        wanted = ("--generate", "orders", "--records", str(records), *(("--seed", str(seed)) if seed else ()))
        return ("produce", *wanted, "--broken", f"{100 * BROKEN:g}%", "--tombstones", f"{100 * TOMBSTONES:g}%")

    @contextmanager
    def _engine(self, *arguments: str) -> Iterator[tuple[Iterator[Event], Sampler]]:
        """A `run` or `replay run` of the pipeline, its log as it comes, and samples of it for the report."""
        listen = f"{LOOPBACK}:{free_ports(1)[0]}"
        command = self._of_pipeline(*arguments, "--set", f"metrics.listen={listen}")
        with Sampler(listen, self._screen.recording) as sampler, self._commands.following(*command) as events:
            yield events, sampler

    def _in_kafka(self) -> int:
        """How many offsets Kafka has of the topic."""
        found = json.loads(self._must("offsets", "show", "--json", show=False))
        return sum(one["high"] - one["low"] for one in found["partitions"])

    def _ledger(self) -> Ledger:
        return Ledger.of(json.loads(self._must("status", "--json", show=False)))

    def _letters(self, source: str = "files") -> list[Mapping[str, str]]:
        options = ("--json", "--limit", str(10 * self._settings.records), "--source", source)
        return [json.loads(line) for line in self._must("dead", "list", *options, show=False).splitlines()]

    def _counted_letters(self, source: str) -> Letters:
        letters = Letters.of(self._letters(source))
        self._screen.output([f"(read and counted: {letters.records} records: {letters})"])
        return letters

    def _read_back(self) -> ReadBack:
        read = self._lake.read_back()
        self._screen.output([f"{read.reader}>", *read.asked.splitlines()])
        names = ("partition", "rows", "offsets", "first", "last")
        self._screen.output("".join(f"{cell:>12}" for cell in line) for line in (names, *read.rows))
        return read

    def _show_files(self, names: Mapping[str, str]) -> None:
        """What lies below each of some folders of the root."""
        width = 1 + max(map(len, names))
        for name, what in names.items():
            files = self._lake.files(name)
            size = sum(size for _, size in files)
            self._screen.output([f"{name + '/':<{width}} {len(files):>4} files {size / 1e6:7.2f} MB  {what}"])

    def _hops(self, *hops: tuple[str, int, str]) -> None:
        """The way of the records, counted at each hop."""
        self._screen.step("The way of the records, counted at each hop")
        self._chapter.hops = [Hop(*hop) for hop in hops]
        width = max(len(hop.place) for hop in self._chapter.hops)
        self._screen.output(f"{hop.records:>10,}  {hop.place:<{width}}  by {hop.by}" for hop in self._chapter.hops)

    def _proven(self) -> bool:
        code, _ = self._commands.run("prove", self._pipeline_name, "--kafka")
        return code == 0

    def _agree(self, sentences: Iterable[tuple[str, bool]]) -> bool:
        """Say each of them, and whether it holds; whether all do."""
        self._screen.step("The account")
        agrees = True
        for sentence, holds in sentences:
            self._screen.checked(sentence, holds=holds)
            agrees = agrees and holds
        return agrees

    def _must(self, *arguments: str, show: bool = True) -> str:
        """A command of the pipeline's that has to succeed. Raises LocalError where it does not."""
        return self._commands.must(*self._of_pipeline(*arguments), show=show)

    def _of_pipeline(self, *arguments: str) -> Sequence[str]:
        """A command line with the pipeline's YAML put in where it belongs."""
        at = 2 if arguments[0] in GROUPS else 1
        return [*arguments[:at], self._pipeline_name, *arguments[at:]]

    @property
    def _pipeline_name(self) -> str:
        """As it is typed here."""
        return str(self.pipeline.relative_to(Path.cwd()))
