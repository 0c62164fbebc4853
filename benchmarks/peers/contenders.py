"""Who takes part, and the command that each of them is run by."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import connect
import flink
import hand_written
import ours
import quix
import spark
from environment import UnavailableError, jars_of, python_with

from streamlake.engine.errors import LocalError
from streamlake.engine.local.java import find_java


@dataclass(frozen=True, slots=True)
class Race:
    """What all contenders are given."""

    servers: str
    topic: str
    partitions: int
    records: int
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Contender:
    """`arguments` makes the command line of its file: from the race, its folder, and its Python."""

    name: str
    program: ModuleType
    arguments: Callable[[Race, Path, str], list[str]]
    versions: str = ""
    ours: bool = field(default=False)

    @property
    def guarantee(self) -> str:
        """Its own word."""
        return str(self.program.GUARANTEE)

    @property
    def settings(self) -> str:
        """What it is run with and why, for its own users."""
        return str(self.program.__doc__)

    @property
    def lands_everything(self) -> bool:
        """Whether it does not validate."""
        return bool(getattr(self.program, "LANDS_EVERYTHING", False))

    def command(self, race: Race, folder: Path) -> list[str]:
        """Raises UnavailableError."""
        python = python_with(self.program.REQUIREMENTS, race.say)
        return [python, str(self.program.__file__), *self.arguments(race, folder, python)]

    def landed(self, folder: Path) -> Iterator[bytes]:
        """What lies in its folder after a run."""
        found: Iterator[bytes] = self.program.landed(folder)
        return found


def _ours(form: str, columns: str, way: str = "compiled") -> Callable[[Race, Path, str], list[str]]:
    return lambda race, folder, _: [race.servers, race.topic, str(folder), str(race.partitions), form, columns, way]


def _hand_written(processes: int) -> Callable[[Race, Path, str], list[str]]:
    return lambda race, folder, _: [race.servers, race.topic, str(folder), str(race.partitions), str(processes)]


def _connect(race: Race, folder: Path, _python: str) -> list[str]:
    return [race.servers, race.topic, str(folder), jars_of(connect.JARS), java(), str(race.records)]


def _spark(race: Race, folder: Path, python: str) -> list[str]:
    place = subprocess.run(
        [python, "-c", "import pyspark; print(pyspark.__path__[0])"], capture_output=True, text=True, check=True
    )
    return [race.servers, race.topic, str(folder), jars_of(spark.JARS, Path(place.stdout.strip()) / "jars")]


def _flink(race: Race, folder: Path, _python: str) -> list[str]:
    return [race.servers, race.topic, str(folder), jars_of(flink.JARS), str(race.partitions)]


def java() -> str:
    """The path of a Java. Raises UnavailableError."""
    try:
        return str(find_java().path)
    except LocalError as error:
        raise UnavailableError(str(error)) from error


CONTENDERS = (
    Contender("StreamLake, Parquet", ours, _ours("parquet", "envelope"), ours=True),
    Contender("StreamLake, Parquet, typed", ours, _ours("parquet", "typed"), ours=True),
    Contender("StreamLake, JSON lines", ours, _ours("jsonl", "envelope"), ours=True),
    Contender("StreamLake, Parquet, nothing compiled", ours, _ours("parquet", "envelope", "pure"), ours=True),
    Contender("Kafka Connect FileStreamSink", connect, _connect, "Apache Kafka 4.3.1"),
    Contender("Python by hand, 1 process", hand_written, _hand_written(1)),
    Contender("Python by hand, 4 processes", hand_written, _hand_written(4)),
    Contender("Flink SQL", flink, _flink, "Apache Flink 2.3.0"),
    Contender("Spark Structured Streaming", spark, _spark, "Apache Spark 4.2.0"),
    Contender("Quix Streams", quix, lambda race, folder, _: [race.servers, race.topic, str(folder)], "3.28.1"),
)

LEFT_OUT = {
    "Redpanda Connect": "its licence is in part not open source (RCL)",
}
"""Who belongs into this list and can't be had by the means of this repository."""
