"""What was measured as a document, and as tables for a reader."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from driving import Run
from figures import Figure, number, print_table
from posts import RECORD_BYTES
from servers import AIOKAFKA, FLUSH, PARTITIONS, POLLED
from works import WORKS, Look, Result, Wider

TITLES = {
    "single": f"Requests a second, one record of {RECORD_BYTES} bytes each, {WORKS['single'].connections} connections",
    "crowd": f"Requests a second, one record of {RECORD_BYTES} bytes each, {WORKS['crowd'].connections} connections",
    "lines": f"Records a second, {WORKS['lines'].records} in a request, {WORKS['lines'].connections} connections",
}
UNIT = "one worker, answered when Kafka has it (more is better)"
FASTAPI = (FLUSH.name, AIOKAFKA.name, POLLED.name)
MEMORY_MIB_MAX, GROWTH_MIB_MAX = 150.0, 5.0
P99_MS_MAX = 25.0


@dataclass(frozen=True, slots=True)
class Alone:
    """What is measured of ours only."""

    half_load: Sequence[Run]
    memory: Sequence[Look]
    wider: Wider


def document(
    results: Sequence[Result], limits: Mapping[str, Run], alone: Alone, facts: dict[str, object], seconds: float
) -> dict[str, Any]:
    """For JSON; `tables.edge` makes the page's tables of it."""
    figures = _figures(results, alone)
    return {
        "record_bytes": RECORD_BYTES,
        "seconds": seconds,
        "partitions": PARTITIONS,
        "connections": {name: work.connections for name, work in WORKS.items()},
        "machine": facts,
        "load_client": {
            kind: {"requests_a_second": run.rate / run.records, "share_of_a_core": run.load_share}
            for kind, run in limits.items()
        },
        "contenders": [_contender(one) for one in results],
        "figures": [{**asdict(figure), "value": figure.value, "met": figure.met} for figure in figures],
        "half_load": [asdict(run) for run in alone.half_load],
        "memory": [asdict(look) for look in alone.memory],
        "connections_of_workers": alone.wider.spread,
    }


def _contender(one: Result) -> dict[str, Any]:
    return {
        "name": one.contender.name,
        "ours": one.contender.ours,
        "settings": one.contender.settings,
        "requirements": list(one.contender.program.REQUIREMENTS),
        "works": {kind: _work(runs) for kind, runs in one.runs.items()},
        "acknowledged": one.acknowledged,
        "in_topic": one.in_topic,
        "other_answers": one.other_answers,
        "stored": one.stored,
        "unavailable": one.unavailable,
    }


def _work(runs: Sequence[Run]) -> dict[str, list[float]]:
    return {
        "records_a_second": [run.rate for run in runs],
        "p50_ms": [run.p50_ms for run in runs],
        "p99_ms": [run.p99_ms for run in runs],
        "cpu_seconds_a_million": [run.cpu_a_million for run in runs],
        "load_client_share_of_a_core": [run.load_share for run in runs],
    }


def _figures(results: Sequence[Result], alone: Alone) -> list[Figure]:
    ours = results[0].runs
    latest = max(alone.memory, key=lambda look: look.pss)
    fifth = len(alone.memory) // 5
    grown = median(look.pss for look in alone.memory[-fifth:]) - median(look.pss for look in alone.memory[:fifth])
    return [
        *_times(results, "single", flush_aim=8.0, best_aim=3.5),
        Figure("one record a request: CPU a million", [run.cpu_a_million for run in ours["single"]], "s"),
        *_times(results, "crowd", flush_aim=None, best_aim=None),
        *_times(results, "lines", flush_aim=None, best_aim=4.5),
        Figure("100 a request: records a second", [run.rate for run in ours["lines"]], "/s", 1e5, at_most=False),
        Figure("100 a request: CPU a million", [run.cpu_a_million for run in ours["lines"]], "s", 12.0),
        Figure(
            "99 of 100 answers at half of the load",
            [run.p99_ms for run in alone.half_load],
            "ms",
            P99_MS_MAX,
            remark=f"single records, {alone.half_load[0].rate:,.0f} a second, due at even times",
        ),
        Figure(
            f"memory of a worker over {alone.memory[-1].records:,} records, PSS",
            [latest.pss],
            "MiB",
            MEMORY_MIB_MAX,
            remark=f"the most of {len(alone.memory)} looks; peak RSS {latest.peak:,.0f} MiB",
        ),
        Figure("… grown, from the first fifth of the looks to the last", [grown], "MiB", GROWTH_MIB_MAX, remark="flat"),
        *(
            Figure(f"two workers: times one, {what}", alone.wider.times[kind], "", remark=SHARED)
            for kind, what in (("crowd", "one record a request"), ("lines", "100 a request"))
        ),
        Figure(
            "two workers, 16 connections that stay: of them at the one that has fewer",
            [float(min(spread)) for spread in alone.wider.spread],
            "",
            1.0,
            at_most=False,
        ),
    ]


SHARED = "Kafka and the load client share the cores"


def _times(results: Sequence[Result], kind: str, *, flush_aim: float | None, best_aim: float | None) -> list[Figure]:
    """Ours as a multiple of FastAPI's, round by round; nothing where those were not measured."""
    by_name = {one.contender.name: [run.rate for run in one.runs[kind]] for one in results}
    ours, work = [run.rate for run in results[0].runs[kind]], WORKS[kind]
    size = "one record a request" if work.records == 1 else f"{work.records} a request"
    what = f"{size}, {work.connections} connections"
    found = []
    if flush := by_name.get(FLUSH.name):
        found.append(_ratio(f"{what}: times {FLUSH.name}", ours, flush, flush_aim))
    measured = [name for name in FASTAPI if by_name.get(name)]
    if measured:
        best = max(measured, key=lambda name: median(by_name[name]))
        found.append(_ratio(f"{what}: times the best FastAPI", ours, by_name[best], best_aim, remark=best))
    return found


def _ratio(name: str, ours: Sequence[float], theirs: Sequence[float], aim: float | None, remark: str = "") -> Figure:
    values = [one / other for one, other in zip(ours, theirs, strict=True)]
    return Figure(name, values, "times", aim, at_most=False, remark=remark)


def bars_of(found: Mapping[str, Any], kind: str) -> list[tuple[str, float, str, bool]]:
    """For the chart: name, records a second, what is said beside it, and whether it is ours."""
    return [
        (one["name"].replace("`", ""), median(work["records_a_second"]), _beside(work), one["ours"])
        for one in found["contenders"]
        if (work := one["works"][kind])["records_a_second"]
    ]


def _beside(work: Mapping[str, Sequence[float]]) -> str:
    return f"p99 {number(median(work['p99_ms']))} ms"


def show(found: Mapping[str, Any]) -> None:
    """Print it all."""
    for kind, title in TITLES.items():
        rows = [("", "records/s", "times", "p50 / p99 ms", "CPU s a million", "client", "stored")]
        base = next(
            (_middle(one, kind, "records_a_second") for one in found["contenders"] if one["name"] == FLUSH.name), 0
        )
        for one in found["contenders"]:
            if not one["works"][kind]["records_a_second"]:
                rows.append((one["name"], f"not measured: {one['unavailable'][:80]}", *[""] * 5))
                continue
            rate = _middle(one, kind, "records_a_second")
            late = f"{number(_middle(one, kind, 'p50_ms'))} / {number(_middle(one, kind, 'p99_ms'))}"
            wrong = f", {one['other_answers']:,} not 2xx" if one["other_answers"] else ""
            client = f"{_middle(one, kind, 'load_client_share_of_a_core'):.0%}"
            cost = number(_middle(one, kind, "cpu_seconds_a_million"))
            times = number(rate / base) if base else ""
            rows.append((one["name"], number(rate), times, late, cost, client, one["stored"] + wrong))
        limit = found["load_client"][kind]
        print(f"\n{title}:")
        _print_rows(rows)
        print(
            f"the load client alone, against a server that does nothing: {limit['requests_a_second']:,.0f} requests/s, "
            f"{limit['share_of_a_core']:.0%} of a core"
        )
    looks = ", ".join(f"{look['pss']:.0f}" for look in found["memory"])
    spreads = ", ".join(" + ".join(map(str, spread)) for spread in found["connections_of_workers"])
    print(f"\nmemory of a worker, PSS in MiB: {looks}\n16 connections on two workers: {spreads}")
    figures = [
        Figure(**{name: one[name] for name in ("name", "values", "unit", "aim", "at_most", "remark")})
        for one in found["figures"]
    ]
    print_table(figures, found["machine"])


def _middle(one: Mapping[str, Any], kind: str, what: str) -> float:
    values = one["works"][kind][what]
    return median(values) if values else 0.0


def _print_rows(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows if row[2] or column == 0) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
