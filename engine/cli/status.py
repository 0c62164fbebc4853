"""`streamlake status`: how far each partition is, whether an engine runs or not."""

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from streamlake.config.model import PipelineConfig
from streamlake.engine.cli.board_words import hint, words
from streamlake.engine.cli.common import (
    files_said,
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_json,
    set_option,
)
from streamlake.engine.cli.parts import open_broker, open_ledger
from streamlake.engine.counted import counted
from streamlake.engine.entries import Entry
from streamlake.engine.operations.status import PartitionStatus, PipelineStatus, ask_engine, status
from streamlake.engine.state import EngineState, PartitionState, Phase
from streamlake.engine.state_file import said_before, state_folder
from streamlake.engine.state_json import state_to_json

WATCH_SECONDS = 2.0
ENGINES_WORD = (
    *("records_per_second", "bytes_per_second", "refused_share", "refused_reasons", "refused_most", "memory_bytes"),
    *(
        "storage_since",
        "storage_why",
        "broker_since",
        "gone_since",
        "held",
        "closes_at",
        "last_exit",
        "restart_at",
        "restarts",
    ),
)
"""What only an engine knows of a partition; null in the JSON where none has said it."""


@click.command("status", short_help="How far each partition is.")
@pipeline_argument
@set_option
@log_format_option
@click.option(
    "--watch",
    type=click.FloatRange(min=0.1),
    is_flag=False,
    flag_value=WATCH_SECONDS,
    metavar="[SECONDS]",
    help=f"Tell it again every so often ({WATCH_SECONDS:g} s), until Ctrl-C; with --json a line each time.",
)
@click.option("--all", "everything", is_flag=True, help="All partitions, also where the screen has no room for them.")
@json_option
def command(
    pipeline: tuple[Path, ...], overrides: tuple[str, ...], watch: float | None, *, everything: bool, as_json: bool
) -> None:
    """Tell how far each partition of PIPELINE.yaml is: position, lag, rate, last commit; what stands, why, what to do.

    Works beside a running engine (which is asked at `metrics.listen`) and without one (what was parked is read from
    what the last engine on this host left in ~/.local/state/streamlake); without the broker it tells what the ledger
    knows. The worst come first. "behind" is how long the first record that has not landed has been waiting at most,
    "kept for" how long Kafka still keeps it. docs/operations/status.md explains the columns and the JSON.
    """
    config = load(pipeline, overrides)
    yaml, ask = files_said(pipeline), _asker(config)
    while True:
        found = ask()
        if as_json:
            print_json(status_json(found, yaml))
        else:
            _show(found, config, yaml, cut=not everything, clear=watch is not None)
        if watch is None:
            return
        sys.stdout.flush()
        time.sleep(watch)


def status_of(config: PipelineConfig) -> PipelineStatus:
    """The status of a pipeline by its settings."""
    return _asker(config)()


def _asker(config: PipelineConfig) -> Callable[[], PipelineStatus]:
    """Ask for the status; ledger and broker are opened once."""
    kafka = config.kafka
    folder = state_folder(config.pipeline, kafka.bootstrap_servers, kafka.group_id)
    ledger, broker = open_ledger(config), open_broker(config)

    def ask() -> PipelineStatus:
        engine = ask_engine(config.metrics.listen) if config.metrics.listen else None
        said = said_before(folder)
        return status(ledger, config.pipeline, kafka.topic_names, kafka.group_id, broker, engine, said)

    return ask


def status_json(found: PipelineStatus, yaml: str = "PIPELINE.yaml") -> dict[str, Any]:
    """The status as one JSON document; the engine's own words under `engine`, null where none answered."""
    now = datetime.now(UTC)
    return {
        "pipeline": found.pipeline,
        "engine": state_to_json(found.engine) if found.engine is not None else None,
        "remarks": list(found.remarks),
        "partitions": [_partition_json(one, found, now, yaml) for one in found.partitions],
    }


def shown(found: PipelineStatus, retention_seconds_left_min: float = 0.0) -> EngineState:
    """The status as the table takes it: the engine's words, and where none speaks what ledger and broker say."""
    engine = found.engine or EngineState(found.pipeline, _run(found), "", 0, "")
    partitions = [shown_partition(one, found) for one in found.partitions]
    return replace(engine, partitions=partitions, retention_seconds_left_min=retention_seconds_left_min)


def shown_partition(one: PartitionStatus, found: PipelineStatus) -> PartitionState:
    """One partition as the table takes it. Counts are of all that readers see."""
    nobody: Phase = "elsewhere" if found.engine is not None else "unknown" if found.running else "stopped"
    state = one.state or PartitionState(one.source, phase=nobody)
    if found.engine is None:  # what is parked was said by one that has ended, or can't be asked
        state = replace(state, records_per_second=0.0, bytes_per_second=0.0, memory_bytes=None)
    totals = one.totals
    at, rows, size, seconds = _last_commit(one)
    return replace(
        state,
        next=one.next,
        end=one.end,
        landed=totals.landed,
        refused=totals.refused,
        skipped=totals.skipped,
        lag_seconds=one.lag_seconds,
        retention_seconds_left=one.retention_seconds_left,
        last_commit_at=at,
        last_commit_rows=rows or 0,
        last_commit_bytes=size or 0,
        last_commit_seconds=seconds or 0.0,
    )


def _last_commit(one: PartitionStatus) -> tuple[str | None, int | None, int | None, float | None]:
    """When the last commit was, its records, bytes and seconds, all of the same one; None for what is not known.

    The engine's, or the ledger's where that is newer: another engine may have gone on.
    """
    state, last = one.state, one.last
    if state is not None and state.last_commit_at and (last is None or not _is_later(last, state)):
        return state.last_commit_at, state.last_commit_rows, state.last_commit_bytes, state.last_commit_seconds
    if last is not None:
        size = sum(file.bytes for file in last.files)
        return last.committed_at, last.landed + last.refused + last.skipped, size, None
    return one.totals.committed_at or None, None, None, None


def _is_later(last: Entry, state: PartitionState) -> bool:
    """Whether the ledger's entry was committed after what the engine calls its last commit."""
    return datetime.fromisoformat(last.committed_at) > datetime.fromisoformat(state.last_commit_at or "")


def _partition_json(one: PartitionStatus, found: PipelineStatus, now: datetime, yaml: str) -> dict[str, Any]:
    place = {"topic": one.source.topic, "partition": one.source.partition}
    names = [name for name in PartitionStatus.__slots__ if name not in {"source", "totals", "remarks", "state", "last"}]
    totals = {name: value for name, value in asdict(one.totals).items() if name != "committed_at"}
    said = {name: getattr(one, name) for name in names}
    known = shown_partition(one, found)
    at, rows, size, seconds = _last_commit(one)
    more = {name: None if one.state is None else getattr(known, name) for name in ENGINES_WORD}
    more |= {
        "last_commit_at": at,
        "last_commit_rows": rows,
        "last_commit_bytes": size,
        "last_commit_seconds": seconds,
        "state": words(known, now),
        "hint": hint(known, yaml),
    }
    return {**place, **said, **totals, "lag": one.lag, **more, "remarks": list(one.remarks)}


def _show(found: PipelineStatus, config: PipelineConfig, yaml: str, *, cut: bool, clear: bool) -> None:
    from rich.console import Console  # noqa: PLC0415  # `--json` does without

    from streamlake.engine.cli.board import Room, board  # noqa: PLC0415  # the same

    console = Console(soft_wrap=False) if sys.stdout.isatty() else Console(width=PIPE_COLUMNS, color_system=None)
    remarks = _remarks(found)
    head = f"{found.pipeline}: {_engine_line(found, config.metrics.listen)}"
    room = Room(console.width, wrap=sys.stdout.isatty())
    if sys.stdout.isatty() and cut:
        taken = 2 + sum(1 + len(remark) // console.width for remark in [head, *remarks])
        room = Room(console.width, max(MIN_LINES, shutil.get_terminal_size().lines - taken))
    if clear and sys.stdout.isatty():
        console.clear()
    console.print(head, markup=False, highlight=False)
    console.print(board(shown(found, config.alarms.retention_seconds_left_min), room, yaml), soft_wrap=not room.wrap)
    for remark in remarks:
        console.print(remark, markup=False, highlight=False, soft_wrap=True)


PIPE_COLUMNS = 240
MIN_LINES = 10


def _run(found: PipelineStatus) -> str:
    return next((one.run for one in found.partitions if one.run is not None), "")


def _engine_line(found: PipelineStatus, listen: str | None) -> str:
    if found.engine is not None:
        draining = ", draining" if found.engine.draining else ""
        return f"engine runs on {found.engine.host} (pid {found.engine.pid}{draining})"
    return f"no engine answers at {listen}" if listen else "metrics.listen is not set, so no engine can be asked"


def _remarks(found: PipelineStatus) -> list[str]:
    said = list(found.remarks)
    for one in found.partitions:
        if one.totals.gaps:
            said.append(f"{one.source}: {counted(one.totals.gaps, 'offset')} given up (gap entries in the ledger)")
        said += [f"{one.source}: {remark}" for remark in one.remarks]
    return said
