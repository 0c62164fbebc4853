"""Writes dashboards/streamlake.json from the panels below: `make docs` runs it, and a test holds both together.

A dashboard that is edited in Grafana is a page of JSON that nobody reads: here each panel is a title, a unit, what it
shows and its queries. `$instance` follows from `$pipeline`, since an engine's metrics name their host and not the
pipeline. Use: python deploy/grafana/dashboard.py > deploy/grafana/dashboards/streamlake.json
"""

import json
import sys
from dataclasses import dataclass
from typing import Any

PLACE = 'instance=~"$instance", topic=~"$topic", partition=~"$partition"'
TOPIC = 'instance=~"$instance", topic=~"$topic"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
HEIGHT = 8


Queries = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Panel:
    """One panel: `queries` are (PromQL, legend); `kind` is Grafana's word for its type."""

    title: str
    shows: str
    queries: Queries
    unit: str = "short"
    kind: str = "timeseries"
    red_from: float | None = None
    stacked: bool = False
    named: bool = False


def rate(metric: str, by: str, chosen: str = PLACE) -> str:
    """A counter a second, summed by these labels."""
    return f"sum by ({by}) (rate({metric}{{{chosen}}}[$__rate_interval]))"


def gauge(metric: str, legend: str = "{{topic}}/{{partition}}") -> Queries:
    """A gauge of each partition as it is."""
    return ((f"{metric}{{{PLACE}}}", legend),)


def quantiles(metric: str, chosen: str) -> Queries:
    """Half, nine tenths and 99 hundredths of a histogram in seconds."""
    buckets = rate(f"{metric}_bucket", "le", chosen)
    return tuple((f"histogram_quantile({q}, {buckets})", f"p{100 * q:g}") for q in (0.5, 0.9, 0.99))


def step(title: str, shows: str, name: str) -> Panel:
    """The quantiles of one step of a batch."""
    return Panel(title, shows, quantiles("streamlake_batch_step_seconds", f'{TOPIC}, step="{name}"'), unit="s")


REFUSED_SHARE = (
    f'sum by (topic) (rate(streamlake_records_total{{{PLACE}, outcome="refused"}}[5m]))'
    f" / sum by (topic) (rate(streamlake_records_total{{{PLACE}}}[5m]))"
)
SINCE_COMMIT = f"time() - streamlake_last_commit_timestamp_seconds{{{PLACE}}}"
COMMITS = rate("streamlake_batch_step_seconds_bucket", "le", f'{TOPIC}, step="commit"')
SUPERVISOR = 'process_resident_memory_bytes{part="engine", instance=~"$instance"}'

OVERVIEW = (
    Panel(
        *("Partitions that are parked", "Each waits for a person; `streamlake status` says why."),
        ((f"sum(streamlake_parked{{{PLACE}}})", "parked"),),
        kind="stat",
        red_from=1,
    ),
    Panel(
        *("Oldest record that has not landed", "The longest wait of any partition."),
        ((f"max(streamlake_lag_seconds{{{PLACE}}})", "waits"),),
        unit="s",
        kind="stat",
        red_from=600,
    ),
    Panel(
        *("Until Kafka deletes what has not landed", "The least of any partition; no data is good news."),
        ((f"min(streamlake_retention_left_seconds{{{PLACE}}})", "left"),),
        unit="s",
        kind="stat",
    ),
    Panel(
        *("What runs", "Version, pipeline and run of each engine."),
        (('streamlake_build_info{instance=~"$instance"}', "{{pipeline}} {{run}} {{version}} at {{instance}}"),),
        kind="stat",
        named=True,
    ),
    Panel(
        *("Records a second, by what became of them", "Of committed batches: landed, refused, skipped."),
        ((rate("streamlake_records_total", "outcome"), "{{outcome}}"),),
        unit="cps",
        stacked=True,
    ),
    Panel(
        *("Lag in records", "Offsets between the next one to read and the end, by partition."),
        gauge("streamlake_lag_offsets"),
    ),
    Panel(
        *("Lag in seconds", "How long the first message that has not landed has waited, at most."),
        gauge("streamlake_lag_seconds"),
        unit="s",
    ),
)
BATCHES = (
    Panel(
        *("A batch from its first message to its end", "Waiting for the others of the batch included."),
        quantiles("streamlake_batch_seconds", TOPIC),
        unit="s",
    ),
    step("Fetch", "Waiting for messages, also for the first.", "fetch"),
    step("Validate", "Deciding which records land.", "validate"),
    step("Stage", "Writing the invisible files.", "stage"),
    step("Commit", "Appending the ledger entry: the commit point.", "commit"),
    step("Publish", "Giving the files their final names.", "publish"),
    Panel("Commits as a heat map", "How many took how long.", ((COMMITS, "{{le}}"),), unit="s", kind="heatmap"),
    Panel(
        *("Bytes of files a second", "Committed files, of rows and of dead letters."),
        ((rate("streamlake_file_bytes_total", "topic"), "{{topic}}"),),
        unit="Bps",
    ),
    Panel(
        *("Since the last commit", "By partition; look at it where there is lag."),
        ((SINCE_COMMIT, "{{topic}}/{{partition}}"),),
        unit="s",
    ),
)
DEAD_LETTERS = (
    Panel(
        *("Refused records a second, by why", "malformed, invalid, oversize, crash, tombstone."),
        ((rate("streamlake_refused_records_total", "reason"), "{{reason}}"),),
        unit="cps",
        stacked=True,
    ),
    Panel(
        *("Share of refused records", "Of all that was committed, by topic."),
        ((REFUSED_SHARE, "{{topic}}"),),
        unit="percentunit",
    ),
    step("Sending dead letters", "The step of batches that have some.", "dead_letters"),
)
STORAGE = (
    Panel(
        *("Waits for the storage a second, by why", "Each wait for a storage that did not answer."),
        ((rate("streamlake_sink_retries_total", "reason"), "{{reason}}"),),
        unit="cps",
    ),
    Panel(
        *("Partitions that wait for the storage", "Those for which it does not answer now."),
        ((f"sum by (topic) (streamlake_storage_waiting{{{PLACE}}})", "{{topic}}"),),
    ),
    Panel(
        *("Partitions for which the broker is away", "Their lag is not known meanwhile."),
        ((f"sum by (topic) (streamlake_broker_waiting{{{PLACE}}})", "{{topic}}"),),
    ),
    Panel(
        *("Time left before Kafka deletes", "By partition; absent where nothing is unread."),
        gauge("streamlake_retention_left_seconds"),
        unit="s",
    ),
)
WORKERS = (
    Panel(
        *("Memory", "The workers' shares (PSS) of each host together, and its supervisor."),
        (
            (f"sum by (instance) (streamlake_worker_memory_bytes{{{PLACE}}})", "workers {{instance}}"),
            (SUPERVISOR, "supervisor {{instance}}"),
        ),
        unit="bytes",
    ),
    Panel(
        *("Workers that ended unasked, in 15 minutes", "By how they ended: docs/operations.md has each."),
        ((f"sum by (exit) (increase(streamlake_worker_restarts_total{{{PLACE}}}[15m]))", "{{exit}}"),),
    ),
    Panel(
        *("Partitions held", "By host: the group shares them out."),
        ((f"count by (instance) (streamlake_parked{{{PLACE}}})", "{{instance}}"),),
    ),
)
EDGE = (
    Panel(
        *("Requests a second, by answer", "stored, refused, mixed, or the kind of problem."),
        ((rate("streamlake_http_requests_total", "outcome", ""), "{{outcome}}"),),
        unit="reqps",
        stacked=True,
    ),
    Panel(
        *("Posted records a second", "unknown: Kafka did not say in time whether it has them."),
        ((rate("streamlake_http_records_total", "stream, outcome", ""), "{{stream}} {{outcome}}"),),
        unit="cps",
    ),
    Panel(
        *("Kafka's acknowledgement", "From handing the records over to the last delivery report."),
        quantiles("streamlake_http_delivery_seconds", ""),
        unit="s",
    ),
    Panel(
        *("Waiting for Kafka", "Records in the edge's queues."),
        (("sum by (instance) (streamlake_http_queue_records)", "{{instance}}"),),
    ),
    Panel(
        *("Open connections", "Of all workers of an edge."),
        (("sum by (instance) (streamlake_http_connections)", "{{instance}}"),),
    ),
    Panel(
        *("Kafka can't be written to", "1 while a worker is refused by some topic."),
        (("max by (instance) (streamlake_http_circuit_open)", "{{instance}}"),),
    ),
)
ROWS = (
    ("Overview", OVERVIEW),
    ("Batches", BATCHES),
    ("Dead letters", DEAD_LETTERS),
    ("Storage and Kafka", STORAGE),
    ("Workers", WORKERS),
    ("HTTP edge", EDGE),
)


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    return {
        "uid": "streamlake",
        "title": "StreamLake",
        "description": "What an engine and its HTTP edge do. Written by deploy/grafana/dashboard.py.",
        "tags": ["streamlake"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": _variables()},
        "panels": _laid_out(),
    }


def _variables() -> list[dict[str, Any]]:
    source = {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "hide": 0,
        "refresh": 1,
        "current": {"text": "Prometheus", "value": "streamlake-prometheus"},
    }
    return [
        source,
        _variable("pipeline", "Pipeline", "streamlake_build_info", "pipeline"),
        _variable("instance", "Host", 'streamlake_build_info{pipeline=~"$pipeline"}', "instance"),
        _variable("topic", "Topic", 'streamlake_parked{instance=~"$instance"}', "topic"),
        _variable("partition", "Partition", f"streamlake_parked{{{TOPIC}}}", "partition"),
    ]


def _variable(name: str, label: str, series: str, value: str) -> dict[str, Any]:
    asked = f"label_values({series}, {value})"
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": SOURCE,
        "query": {"query": asked, "refId": name},
        "refresh": 2,
        "sort": 3,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _laid_out() -> list[dict[str, Any]]:
    """Rows from top to bottom; numbers are a quarter wide and half as high, plots a third."""
    found: list[dict[str, Any]] = []
    y = 0
    for title, panels in ROWS:
        found.append({"id": len(found) + 1, "type": "row", "title": title, "collapsed": False, "panels": []})
        found[-1]["gridPos"] = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
        y, x, line_height = y + 1, 0, 0
        for panel in panels:
            width, height = (COLUMNS // 4, HEIGHT // 2) if panel.kind == "stat" else (COLUMNS // 3, HEIGHT)
            if x + width > COLUMNS or (line_height and height != line_height):
                y, x = y + line_height, 0
            place = {"x": x, "y": y, "w": width, "h": height}
            found.append(_panel(panel, len(found) + 1, place))
            x, line_height = x + width, height
        y += line_height
    return found


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    options: dict[str, Any] = {}
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "fillOpacity": 10,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
        options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    elif panel.kind == "stat":
        options = {
            "colorMode": "value" if panel.red_from is not None else "none",
            "reduceOptions": {"calcs": ["lastNotNull"]},
        }
        options["textMode"] = "name" if panel.title == "What runs" else "value"
        steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
        if panel.red_from is not None:
            steps.append({"color": "red", "value": panel.red_from})
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    else:
        options = {"calculate": False, "yAxis": {"unit": panel.unit}, "color": {"mode": "scheme", "scheme": "Blues"}}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.shows,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": expression,
                "legendFormat": legend,
                "format": "heatmap" if panel.kind == "heatmap" else "time_series",
                "range": True,
            }
            for index, (expression, legend) in enumerate(panel.queries)
        ],
    }


def main() -> int:
    """Print it."""
    sys.stdout.write(json.dumps(dashboard(), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
