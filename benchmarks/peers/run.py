"""`make bench-peers`: the same records from the same Kafka to files, by StreamLake and by what else there is.

    python benchmarks/peers/run.py [--records 2000000] [--repeats 3] [--only NAME,…] [--json FILE] [--chart FOLDER]

Each contender is one file here; its docstring says how it is set up and why. What it landed is compared with the topic,
record by record. Contenders take turns, so that an hour of noise hits all of them. KAFKA_BOOTSTRAP_SERVERS names a
cluster to use; without it one is started here and shares the cores.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

sys.path.append(str(Path(__file__).parents[1]))

import bench as benches
import figures
from chart import bars
from contenders import CONTENDERS, LEFT_OUT, Contender, Race, java
from environment import UnavailableError
from landed import Expected, Found, expected_of
from processes import Tree
from programs import finish, kafka, saying

from streamlake.plugins.validators.jsonschema import JsonSchemaValidator

SAY = saying("bench-peers")
PARTITIONS = 4
BROKEN_RATIO = 0.004


@dataclass
class Result:
    """Of one contender over all repetitions; `found` is what the first one landed."""

    contender: Contender
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    ratio: list[float] = field(default_factory=list)
    memory_mib: float = 0.0
    found: Found | None = None
    unavailable: str = ""


def main() -> int:
    """Run everybody, and print who cost what and landed what."""
    wanted = _arguments()
    names = [contender.name for contender in CONTENDERS]
    some = [one for one in CONTENDERS if not wanted.only or any(part in one.name for part in wanted.only)]
    if not some:
        sys.exit(f"--only {','.join(wanted.only)}: none of {', '.join(names)}")
    with tempfile.TemporaryDirectory(prefix="streamlake_peers_") as folder, kafka(SAY) as servers:
        bench = benches.Bench(servers, Path(folder), wanted.records, wanted.repeats, 0, 0, SAY)
        results, drains = _race(bench, some)
    facts = figures.machine(bench.busy)
    _print(results, drains, wanted.records, facts)
    if wanted.json:
        wanted.json.write_text(json.dumps(_document(results, drains, wanted.records, facts), indent=2) + "\n")
    if wanted.chart:
        for name, picture in bars(_bars(results), "CPU seconds for a million records").items():
            (wanted.chart / f"peers-{name}.svg").write_text(picture)
    return 0


def _race(bench: benches.Bench, some: Sequence[Contender]) -> tuple[list[Result], list[float]]:
    topic = bench.topic("peers")
    environment = bench.environment(topic, BENCH_PARTITIONS=str(PARTITIONS))
    benches.streamlake(environment, "topics", "apply", benches.PIPELINE)
    bench.say(f"filling a topic with {bench.records:,} orders")
    benches.program("fill.py", environment, topic, bench.records, BROKEN_RATIO)
    validator = JsonSchemaValidator.from_options(
        {"schema": "orders.schema.json"}, columns=False, base_dir=benches.HERE.parent / "plugins" / "validators"
    )
    expected = expected_of(bench.servers, topic, PARTITIONS, validator)
    race = Race(bench.servers, topic, PARTITIONS, bench.records, bench.say)
    results, drains = [Result(contender) for contender in some], list[float]()
    for number in range(bench.repeats):
        drain = benches.program("drains.py", environment, "c", topic, PARTITIONS, bench.records)["cpu"]
        drains.append(drain)
        for result in results:
            if not result.unavailable:
                bench.say(f"{result.contender.name}, {number + 1} of {bench.repeats}")
                _run(bench, race, result, drain, expected if number == 0 else None)
    return results, drains


def _run(bench: benches.Bench, race: Race, result: Result, drain: float, expected: Expected | None) -> None:
    folder = Path(tempfile.mkdtemp(dir=bench.folder))
    try:
        command = result.contender.command(race, folder)
        environment = dict(os.environ) | {"JAVA_HOME": str(Path(java()).resolve().parents[1])}
        tree = Tree()
        metered = benches.metered_command(bench, environment, command, look=tree.look)
    except (UnavailableError, SystemExit) as error:  # metering ends with what a failed command said
        result.unavailable = str(error)
        bench.say(f"{result.contender.name}: {error}")
        return
    result.cpu.append(metered.cpu)
    result.wall.append(metered.wall)
    result.ratio.append(metered.cpu / drain)
    result.memory_mib = max(result.memory_mib, tree.peak_mib)
    if expected is not None:
        result.found = expected.of(result.contender.landed(folder))
    shutil.rmtree(folder)


def _print(results: Sequence[Result], drains: Sequence[float], records: int, facts: dict[str, object]) -> None:
    million = records / 1e6
    head = ("contender", "CPU s a million (min … max)", "drains", "records/s", "memory", "guarantee", "landed")
    rows = [head, ("librdkafka's drain in C", _spread([one / million for one in drains]), "1", "", "", "-", "nothing")]
    for one in results:
        if one.unavailable:
            rows.append(
                (one.contender.name, f"not measured: {one.unavailable.splitlines()[0][:80]}", "", "", "", "", "")
            )
            continue
        rows.append(
            (
                one.contender.name,
                _spread([cpu / million for cpu in one.cpu]),
                figures.number(median(one.ratio)),
                figures.number(records / median(one.wall)),
                f"{one.memory_mib:,.0f} MiB",
                one.contender.guarantee,
                one.found.words(lands_everything=one.contender.lands_everything) if one.found else "",
            )
        )
    rows += [(name, f"left out: {why}", "", "", "", "", "") for name, why in LEFT_OUT.items()]
    widths = [max(len(row[column]) for row in rows if row[2] or column == 0) for column in range(len(head))]
    print()
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print("\n" + "\n".join(f"{name:<20} {value}" for name, value in facts.items()))


def _document(
    results: Sequence[Result], drains: Sequence[float], records: int, facts: dict[str, object]
) -> dict[str, object]:
    return {
        "records": records,
        "broken_ratio": BROKEN_RATIO,
        "partitions": PARTITIONS,
        "machine": facts,
        "drain_cpu_seconds": list(drains),
        "contenders": [
            {
                "name": one.contender.name,
                "version": one.contender.versions,
                "guarantee": one.contender.guarantee,
                "settings": one.contender.settings,
                "cpu_seconds": one.cpu,
                "wall_seconds": one.wall,
                "times_drain": one.ratio,
                "memory_mib": round(one.memory_mib),
                "landed": None if one.found is None else one.found.document(),
                "found": one.found.words(lands_everything=one.contender.lands_everything) if one.found else "",
                "unavailable": one.unavailable,
            }
            for one in results
        ],
        "left_out": LEFT_OUT,
    }


def _bars(results: Sequence[Result]) -> list[tuple[str, float, str, bool]]:
    """Name, times the drain, guarantee, and whether it is ours."""
    return [
        (one.contender.name, median(one.ratio), one.contender.guarantee, one.contender.ours)
        for one in results
        if one.ratio
    ]


def _spread(values: Sequence[float]) -> str:
    middle = figures.number(median(values))
    return f"{middle} ({figures.number(min(values))} … {figures.number(max(values))})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-peers", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=2_000_000, help="records to land (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="repetitions of each contender (default: %(default)s)")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], metavar="A,B", help="parts of names")
    parser.add_argument("--json", type=Path, help="write all there is to this file")
    parser.add_argument("--chart", type=Path, help="write peers-light.svg and peers-dark.svg into this folder")
    return parser.parse_args()


if __name__ == "__main__":
    finish(main)
