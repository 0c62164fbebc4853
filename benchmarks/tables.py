"""Writes what was measured into docs/performance.md: the benchmarks that `make` has leave JSON, this makes tables.

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
WORKS = (
    ("single", "one record a request"),
    ("crowd", "one record a request"),
    ("lines", "100 records a request (NDJSON)"),
)
MACHINE = ("cpu", "cores", "memory_gib", "kernel", "python", "librdkafka", "confluent-kafka", "pyarrow")


def main(*, check: bool) -> int:
    """Write the tables, or compare."""
    text = DOCUMENT.read_text()
    made = text
    for name, table in (("peers", peers), ("bench", figures), ("edge", edge)):
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


def edge(found: Mapping[str, Any]) -> list[str]:
    """Everybody by what is posted, the quickest first, then our own figures beside their aims."""
    lines: list[str] = []
    for kind, what in WORKS:
        lines += [
            (
                f"| {what}, {found['connections'][kind]} connections | records/s (least … most) | p50 / p99 ms "
                "| CPU s a million | client | acknowledged and in the topic |"
            ),
            "|---|---|---|---|---|---|",
        ]
        measured = [one for one in found["contenders"] if one["works"][kind]["records_a_second"]]
        for one in sorted(measured, key=lambda one: -median(one["works"][kind]["records_a_second"])):
            work = one["works"][kind]
            cells = [
                f"**{one['name']}**" if one["ours"] else one["name"],
                _spread(work["records_a_second"]),
                f"{_number(median(work['p50_ms']))} / {_number(median(work['p99_ms']))}",
                _spread(work["cpu_seconds_a_million"]),
                f"{median(work['load_client_share_of_a_core']):.0%}",
                one["stored"] + (f", {one['other_answers']:,} not answered 2xx" if one["other_answers"] else ""),
            ]
            lines.append(f"| {' | '.join(cells)} |")
        unavailable = [one for one in found["contenders"] if one["unavailable"]]
        lines += [f"| {one['name']} | not measured: {one['unavailable']} | | | | |" for one in unavailable]
        alone = found["load_client"][kind]
        lines += [
            "",
            (
                f"The load client against a server that does nothing: {alone['requests_a_second']:,.0f} requests/s "
                f"with {alone['share_of_a_core']:.0%} of a core."
            ),
            "",
        ]
    looks = ", ".join(f"{look['pss']:.0f}" for look in found["memory"])
    spreads = ", ".join(" + ".join(map(str, spread)) for spread in found["connections_of_workers"])
    *rows, _, said = figures(found)
    return [
        *lines,
        *rows,
        "",
        f"Memory, look by look: {looks} MiB. Sixteen connections on two workers: {spreads}.",
        "",
        said,
    ]


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
