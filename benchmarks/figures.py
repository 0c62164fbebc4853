"""A measured figure beside its aim, how the machine was meanwhile, and both as a table or JSON."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TextIO

from confluent_kafka import libversion

LIBRARIES = ("confluent-kafka", "pyarrow", "orjson", "jsonschema-rs", "pydantic")


@dataclass(frozen=True, slots=True)
class Figure:
    """`values` are all repetitions; their median is the figure. `at_most` says on which side of `aim` it shall be."""

    name: str
    values: Sequence[float]
    unit: str
    aim: float | None = None
    at_most: bool = True
    remark: str = ""

    @property
    def value(self) -> float:
        """The median of all repetitions."""
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the aim is reached; None where there is none."""
        if self.aim is None:
            return None
        return self.value <= self.aim if self.at_most else self.value >= self.aim

    def row(self) -> tuple[str, str, str, str, str]:
        """Name, value with its spread, aim, verdict, remark."""
        spread = f" ({number(min(self.values))} … {number(max(self.values))})" if len(self.values) > 1 else ""
        aim = "" if self.aim is None else f"{'≤' if self.at_most else '≥'} {number(self.aim)}"
        verdict = {None: "", True: "met", False: "MISSED"}[self.met]
        return self.name, f"{number(self.value)} {self.unit}{spread}", aim, verdict, self.remark


@dataclass
class Busy:
    """How much of the machine's CPU others used while we measured."""

    ours: float = 0.0
    all: float = 0.0
    of: float = 0.0

    def add(self, before: tuple[float, float], after: tuple[float, float], ours: float) -> None:
        """Take in a stretch of time: `cpu_seconds()` before and after it, and the CPU seconds of what was measured."""
        self.all += after[0] - before[0]
        self.of += after[1] - before[1]
        self.ours += ours


def cpu_seconds() -> tuple[float, float]:
    """CPU seconds that all cores together were busy since boot, and could have been (proc(5), /proc/stat)."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    ticks = os.sysconf("SC_CLK_TCK")
    return (sum(fields) - idle) / ticks, sum(fields) / ticks


def machine(busy: Busy) -> dict[str, object]:
    """What the figures depend on."""
    models = {line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")}
    return {
        "cpu": ", ".join(sorted(models)) or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "librdkafka": libversion()[0],
        **{name: version(name) for name in LIBRARIES},
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "cpu_used_by_others": round(max(0.0, busy.all - busy.ours) / busy.of, 2) if busy.of else None,
    }


def print_table(figures: Sequence[Figure], facts: dict[str, object]) -> None:
    """Figures with their aims, then the machine."""
    rows = [("figure", "median (min … max)", "aim", "", ""), *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    print()
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[4]]).rstrip())
    print("\n" + "\n".join(f"{name:<20} {value}" for name, value in facts.items()))


def print_json(figures: Sequence[Figure], facts: dict[str, object], file: TextIO = sys.stdout) -> None:
    """The same for programs."""
    found = [{**asdict(figure), "value": figure.value, "met": figure.met} for figure in figures]
    print(json.dumps({"machine": facts, "figures": found}, indent=2), file=file)


def number(value: float) -> str:
    """With as many digits as mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
