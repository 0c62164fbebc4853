"""docs/metrics.md is compared with what engine and edge export, both ways, and both with Prometheus' conventions."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from support.shown import at_night

from streamlake.engine.metrics import registry_of
from streamlake.engine.timings import BOUNDS_SECONDS, STEPS, Timings
from streamlake.http_edge.metrics import EdgeMetrics, StreamMetrics

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "metrics.md").read_text()
NAME = re.compile(r"\b(?:streamlake|process)_[a-z_]+[a-z]\b")
BASE_UNITS = ("seconds", "bytes")
OTHER_UNITS = re.compile(r"_(ms|milliseconds|minutes|hours|kb|mb|mib|kilobytes|percent|count|sum|bucket|info|total)$")


@dataclass(frozen=True)
class Row:
    """One metric as the page has it."""

    name: str
    type: str
    unit: str
    labels: frozenset[str]
    meaning: str
    example: str


def rows() -> Iterator[Row]:
    for line in PAGE.splitlines():
        if line.startswith(("| `streamlake_", "| `process_")):
            name, kind, unit, labels, meaning, example = (cell.strip() for cell in line.strip("|").split("|"))
            named = {"topic", "partition"} if "place" in labels else set()
            yield Row(
                *(name.strip("`"), kind, unit, frozenset(named | set(re.findall(r"`(\w+)`", labels)))),
                *(meaning, example.strip("`")),
            )


ROWS = list(rows())


def exported() -> Sequence[Metric]:
    """Every family of an engine that knows everything, and of an edge that has had a request."""
    state = at_night(3)
    timings = Timings()
    timings.take(3.0, dict.fromkeys(STEPS, 0.5))
    state.timings = {"orders": timings}
    for partition in state.partitions:
        partition.ledger_seq, partition.retention_seconds_left, partition.storage_waits = 7, 100.0, {"503": 1}
    edge = EdgeMetrics()
    stream = StreamMetrics(edge, "orders")
    stream.answered("stored")
    stream.delivered(0.01)
    stream.flush()
    return [*registry_of(lambda: state).collect(), *text_free(edge)]


def text_free(edge: EdgeMetrics) -> Iterator[Metric]:
    yield from edge._registry.collect()


EXPORTED = exported()


def full_name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def labels_of(family: Metric) -> frozenset[str]:
    return frozenset(label for sample in family.samples for label in sample.labels) - {"le"}


def lint(family: Metric) -> Iterator[str]:
    """What breaks the conventions of prometheus.io/docs/practices/naming, as promlint has them."""
    name = family.name
    if not family.documentation.strip():
        yield "no help"
    if family.type == "unknown":
        yield "no type"
    if not re.fullmatch(r"(streamlake|process)(_[a-z]+)+", name):
        yield "not of our own words in small letters"
    if family.type != "gauge" and OTHER_UNITS.search(name):
        yield "ends like another type, or not in a base unit"
    if family.type == "gauge" and OTHER_UNITS.search(name.removesuffix("_info")):
        yield "a gauge that ends like another type, or not in a base unit"
    unit = next((unit for unit in BASE_UNITS if unit in name.split("_")), "")
    if unit and not name.endswith(f"_{unit}"):
        yield "the unit does not come last"
    if name.startswith("streamlake_") and family.unit != unit:
        yield f"the unit {family.unit!r} is not that of the name"
    yield from (f"the label {label} has a unit's or a type's name" for label in labels_of(family) & {"le", "quantile"})


def test_the_page_names_every_metric_with_its_type_and_labels_and_no_other() -> None:
    said = {row.name: (row.type, row.labels) for row in ROWS}
    assert len(said) == len(ROWS), "a metric is named twice"
    assert said == {full_name(family): (family.type, labels_of(family)) for family in EXPORTED}


def test_the_page_says_the_unit_that_the_name_has_and_what_it_means() -> None:
    units = {full_name(family): family.name.rpartition("_")[2] for family in EXPORTED}
    for row in ROWS:
        assert row.unit, row.name
        assert (row.unit in BASE_UNITS) == (units[row.name] in BASE_UNITS), row.name
        assert row.unit not in BASE_UNITS or row.unit == units[row.name], row.name
        assert len(row.meaning) > 10, row.name


def test_each_example_is_of_its_metric_and_names_only_what_there_is() -> None:
    known = {sample.name: labels_of(family) for family in EXPORTED for sample in family.samples}
    for row in ROWS:
        names = set(NAME.findall(row.example))
        of_it = {row.name, f"{row.name}_bucket", f"{row.name}_sum", f"{row.name}_count"}
        assert names & of_it, f"{row.name}: {row.example}"
        assert names <= set(known), f"{row.name}: {names - set(known)}"
        may = {"le", "instance"}.union(*(known[name] for name in names))
        by = re.findall(r"(?:by|on|ignoring) \(([\w, ]+)\)|\{(\w+)=", row.example)
        used = {label.strip() for group in by for part in group for label in part.split(",") if part}
        assert used <= may, f"{row.name}: {used - may}"


@pytest.mark.parametrize("page", ["operations.md", "gcs.md", "http.md", "operations/status.md"])
def test_no_other_page_names_a_metric_that_there_is_not(page: str) -> None:
    names = {name for name in NAME.findall((DOCS / page).read_text()) if name.startswith("streamlake_")}
    assert names <= {sample.name for family in EXPORTED for sample in family.samples} | {row.name for row in ROWS}


def test_every_family_keeps_the_conventions() -> None:
    assert {(family.name, wrong) for family in EXPORTED for wrong in lint(family)} == set()


@pytest.mark.parametrize(
    ("family", "wrong"),
    [
        (GaugeMetricFamily("streamlake_a", " "), "no help"),
        (Metric("streamlake_a", "help", "unknown"), "no type"),
        (GaugeMetricFamily("streamlake_retention_seconds_left", "help"), "the unit does not come last"),
        (CounterMetricFamily("streamlake_waited_ms", "help"), "ends like another type, or not in a base unit"),
        (GaugeMetricFamily("streamlake_lag_total", "help"), "a gauge that ends like another type"),
        (GaugeMetricFamily("streamlake_lag_seconds", "help"), "the unit '' is not that of the name"),
        (GaugeMetricFamily("streamlake_laG", "help"), "not of our own words in small letters"),
    ],
)
def test_what_breaks_a_convention_is_seen(family: Metric, wrong: str) -> None:
    assert any(found.startswith(wrong) for found in lint(family))


class _Families:
    """A collector of given families."""

    def collect(self) -> Sequence[Metric]:
        return EXPORTED


def test_what_is_exported_reads_back_as_it_was() -> None:
    registry = CollectorRegistry()
    registry.register(_Families())
    read = {family.name: family for family in text_string_to_metric_families(generate_latest(registry).decode())}
    assert set(read) == {family.name for family in EXPORTED}
    for family in EXPORTED:
        again = read[family.name]
        assert (again.type, again.documentation) == (family.type, family.documentation)
        assert as_told(again) == as_told(family)


def as_told(family: Metric) -> Mapping[tuple[str, ...], float]:
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for sample in family.samples
    }


def test_a_histogram_counts_each_batch_in_its_bucket_and_all_above() -> None:
    state = at_night(1)
    timings = Timings()
    for seconds in (0.005, 0.0051, 1e6):
        timings.take(seconds, {"commit": seconds})
    state.timings = {"orders": timings}
    families = {family.name: family for family in registry_of(lambda: state).collect()}
    told = {s.labels["le"]: s.value for s in families["streamlake_batch_seconds"].samples if "le" in s.labels}
    assert list(told) == [*map(str, BOUNDS_SECONDS), "+Inf"]
    assert (told["0.005"], told["0.025"], told["300.0"], told["+Inf"]) == (1, 2, 2, 3)
    steps = as_told(families["streamlake_batch_step_seconds"])
    assert steps["streamlake_batch_step_seconds_count", "step=commit", "topic=orders"] == 3
    assert steps["streamlake_batch_step_seconds_count", "step=dead_letters", "topic=orders"] == 0
