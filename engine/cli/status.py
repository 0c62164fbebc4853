"""`streamlake status`: how far each partition is, whether an engine runs or not."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from streamlake.config.model import PipelineConfig
from streamlake.engine.cli.common import (
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_json,
    print_table,
    set_option,
)
from streamlake.engine.cli.parts import open_broker, open_ledger
from streamlake.engine.operations.status import PartitionStatus, PipelineStatus, ask_engine, status
from streamlake.engine.state_file import said_before, state_folder
from streamlake.engine.state_json import state_to_json

COLUMNS = ("partition", "next", "end", "lag", "landed", "refused", "skipped", "last commit", "state")


@click.command("status", short_help="How far each partition is.")
@pipeline_argument
@set_option
@log_format_option
@json_option
def command(pipeline: Path, overrides: tuple[str, ...], *, as_json: bool) -> None:
    """Tell how far each partition of PIPELINE.yaml is: position, end, lag, last commit, counts; what is parked and why.

    Works beside a running engine (which is asked at `metrics.listen`) and without one (what was parked is read from
    what the last engine on this host left in ~/.local/state/streamlake); without the broker it tells what the ledger
    knows.
    """
    config = load(pipeline, overrides)
    found = status_of(config)
    if as_json:
        print_json(status_json(found))
        return
    click.echo(f"{found.pipeline}: {_engine_line(found, config.metrics.listen)}")
    print_table(COLUMNS, [_row(one) for one in found.partitions], right=COLUMNS[1:7])
    for remark in _remarks(found):
        click.echo(remark)


def status_of(config: PipelineConfig) -> PipelineStatus:
    """The status of a pipeline by its settings."""
    engine = ask_engine(config.metrics.listen) if config.metrics.listen else None
    kafka = config.kafka
    said = said_before(state_folder(config.pipeline, kafka.bootstrap_servers, kafka.group_id))
    ledger, broker = open_ledger(config), open_broker(config)
    return status(ledger, config.pipeline, kafka.topic_names, kafka.group_id, broker, engine, said)


def status_json(found: PipelineStatus) -> dict[str, Any]:
    """The status as one JSON document; the engine's own words under `engine`, null where none answered."""
    return {
        "pipeline": found.pipeline,
        "engine": state_to_json(found.engine) if found.engine is not None else None,
        "remarks": list(found.remarks),
        "partitions": [_partition_json(one) for one in found.partitions],
    }


def _partition_json(one: PartitionStatus) -> dict[str, Any]:
    names = [name for name in PartitionStatus.__slots__ if name not in {"source", "totals", "remarks"}]
    place = {"topic": one.source.topic, "partition": one.source.partition}
    totals = asdict(one.totals)
    totals["last_commit_at"] = totals.pop("committed_at") or None
    said = {name: getattr(one, name) for name in names}
    return {**place, **said, **totals, "lag": one.lag, "remarks": list(one.remarks)}


def _engine_line(found: PipelineStatus, listen: str | None) -> str:
    if found.engine is not None:
        draining = ", draining" if found.engine.draining else ""
        return f"engine runs on {found.engine.host} (pid {found.engine.pid}{draining})"
    return f"no engine answers at {listen}" if listen else "metrics.listen is not set, so no engine can be asked"


def _row(one: PartitionStatus) -> Sequence[str]:
    totals = one.totals
    numbers = (one.next, one.end, one.lag, totals.landed, totals.refused, totals.skipped)
    told = ["?" if number is None else f"{number:,}" for number in numbers]
    return (str(one.source), *told, totals.committed_at or "never", one.phase or "-")


def _remarks(found: PipelineStatus) -> list[str]:
    said = list(found.remarks)
    for one in found.partitions:
        if one.why:
            said.append(f"{one.source} is {one.phase} since {one.since}: {one.why}")
        if one.totals.gaps:
            said.append(f"{one.source}: {one.totals.gaps:,} offsets were given up (gap entries in the ledger)")
        said += [f"{one.source}: {remark}" for remark in one.remarks]
    return said
