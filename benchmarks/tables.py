"""Writes what was measured into docs/performance.md: `make bench` and `make bench-peers` leave JSON, this makes tables.

python benchmarks/tables.py [--check]     with --check: ends with 1 where the document says something else
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
DOCUMENT, MEASURED = DOCS / "performance.md", DOCS / "measured"
MACHINE = ("cpu", "cores", "memory_gib", "kernel", "python", "librdkafka", "confluent-kafka", "pyarrow")


def main(*, check: bool) -> int:
    """Write the tables, or compare."""
    text = DOCUMENT.read_text()
    made = text
    for name, table in (("peers", peers), ("bench", figures)):
        made = between(made, name, table(json.loads((MEASURED / f"{name}.json").read_text())))
    if check:
        return int(made != text)
    DOCUMENT.write_text(made)
    return 0


def between(text: str, name: str, lines: Sequence[str]) -> str:
    """`text` with `lines` between the marks of that name."""
    begin, end = f"<!-- {name}: benchmarks/tables.py writes what is between these lines -->", f"<!-- /{name} -->"
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return "\n".join([f"{head}{begin}", "", *lines, "", f"{end}{tail}"])


def peers(found: Mapping[str, Any]) -> list[str]:
    """Everybody, the cheapest first."""
    million = found["records"] / 1e6
    drains = [seconds / million for seconds in found["drain_cpu_seconds"]]
    rows = [
        "| | CPU s a million (least … most) | drains | records/s | memory | guarantee | landed |",
        "|---|---|---|---|---|---|---|",
        f"| librdkafka's drain in C | {_spread(drains)} | 1 | | | - | nothing |",
    ]
    measured = [one for one in found["contenders"] if one["cpu_seconds"]]
    for one in sorted(measured, key=lambda one: median(one["times_drain"])):
        cells = [
            f"**{one['name']}**" if one["name"].startswith("StreamLake") else f"{one['name']} {one['version']}".strip(),
            _spread([cpu / million for cpu in one["cpu_seconds"]]),
            _number(median(one["times_drain"])),
            f"{found['records'] / median(one['wall_seconds']):,.0f}",
            f"{one['memory_mib']:,} MiB",
            one["guarantee"],
            one["found"],
        ]
        rows.append(f"| {' | '.join(cells)} |")
    rows += [f"| {one['name']} | not measured: {one['unavailable']} | | | | | |" for one in _absent(found)]
    rows += [f"| {name} | left out: {why} | | | | | |" for name, why in found["left_out"].items()]
    return [*rows, "", _machine(found["machine"])]


def figures(found: Mapping[str, Any]) -> list[str]:
    """Our own figures beside their aims."""
    rows = ["| | median (least … most) | aim | |", "|---|---|---|---|"]
    for one in found["figures"]:
        values = _spread(one["values"]) if len(one["values"]) > 1 else _number(one["value"])
        aim = "" if one["aim"] is None else f"{'≤' if one['at_most'] else '≥'} {_number(one['aim'])}"
        met = {None: "", True: "met", False: "**missed**"}[one["met"]]
        name = one["name"].strip() + (f" ({one['remark']})" if one["remark"] else "")
        rows.append(f"| {name} | {values} {one['unit']} | {aim} | {met} |")
    return [*rows, "", _machine(found["machine"])]


def _absent(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in found["contenders"] if not one["cpu_seconds"]]


def _machine(facts: Mapping[str, Any]) -> str:
    said = ", ".join(f"{name} {facts[name]}" for name in MACHINE)
    return f"Machine: {said}; others used {facts['cpu_used_by_others']:.0%} of its CPU meanwhile."


def _spread(values: Sequence[float]) -> str:
    return f"{_number(median(values))} ({_number(min(values))} … {_number(max(values))})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))
