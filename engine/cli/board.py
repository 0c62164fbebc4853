"""The table of partitions that `status`, the live table of `run`, and `top` share: worst first, as wide as there is."""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streamlake.engine.cli.board_words import (
    NOBODYS,
    STANDING,
    WITHOUT_WORKER,
    behind_told,
    brief,
    broker_told,
    compact,
    gone_told,
    kind,
    lag_told,
    percent,
    plain,
    rate_of,
    refused_most,
    severity,
    sorted_by,
    sparkline,
    told,
    words,
)
from streamlake.engine.cli.common import duration
from streamlake.engine.state import EngineState, PartitionState

STATE_CHARS_MIN, STATE_CHARS_SAID = 10, 29
NARROW, WIDE = 70, 100
PARTITION_CHARS_MIN = 12
GAP = 2
RATES_SHOWN, RATES_SHOWN_MIN = 12, 6


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `text` with numbers in full or short. Where it is narrow, those with the highest `dear` go first."""

    name: str
    dear: int
    text: Callable[[PartitionState, datetime, bool], str]
    right: bool = True


def _number(value: Callable[[PartitionState], float | None]) -> Callable[[PartitionState, datetime, bool], str]:
    def text(one: PartitionState, _: datetime, short: bool) -> str:
        number = value(one)
        if number is None:
            return "?"
        return compact(number) if short else f"{number:,.0f}"

    return text


def _bytes(value: Callable[[PartitionState], float | None]) -> Callable[[PartitionState, datetime, bool], str]:
    return lambda one, _, __: "-" if value(one) is None else compact(value(one) or 0, 1024)


COLUMNS = (
    Column("partition", 0, lambda one, _, __: str(one.source), right=False),
    Column("state", 0, lambda one, now, _: words(one, now), right=False),
    Column("next", 7, _number(lambda one: one.next)),
    Column("end", 9, _number(lambda one: one.end)),
    Column("lag", 0, _number(lambda one: one.lag)),
    Column("behind", 1, lambda one, _, __: "?" if one.lag_seconds is None else brief(one.lag_seconds)),
    Column("rec/s", 2, lambda one, _, short: _rate(one, short=short)),
    Column("lately", 5, lambda one, _, short: sparkline(one.rates, RATES_SHOWN_MIN if short else RATES_SHOWN)),
    Column("refused", 3, lambda one, _, __: "-" if one.refused_share is None else percent(one.refused_share)),
    Column("mem", 6, _bytes(lambda one: one.memory_bytes)),
    Column("commit", 4, lambda one, now, short: _commit(one, now, short=short)),
    Column("rows", 8, lambda one, _, short: "-" if not one.last_commit_rows else _full(one.last_commit_rows, short)),
    Column("kept for", 10, lambda one, _, __: _kept_for(one)),
    Column("landed", 11, _number(lambda one: one.landed)),
    Column("not landed", 12, _number(lambda one: one.refused)),
    Column("skipped", 13, _number(lambda one: one.skipped)),
)
"""`commit` and `rows`: how long ago the last commit was, the bytes of its files, and its records."""

STYLES = {
    **dict.fromkeys(("parked", "topic gone"), "bold red"),
    "fenced": "red",
    "restarting": "yellow",
    **dict.fromkeys(("waiting for storage", "waiting for the broker"), "yellow"),
}


@dataclass(frozen=True, slots=True)
class Room:
    """How large the screen is. `lines` None: as many as it takes. Without `wrap` a sentence is one line."""

    columns: int
    lines: int | None = None
    wrap: bool = True


def board(state: EngineState, room: Room, yaml: str, *, sort: str = "worst", scrolled: int = 0) -> RenderableType:
    """Totals, the table, and a sentence for each partition that stands: within the room's lines.

    `scrolled` is how many of the first partitions are left out.
    """
    now = said_at(state)
    partitions = sorted_by(state.partitions, sort)[scrolled:]
    notes = notes_of(state, now, yaml)
    lines = _lines(notes, room)
    shown, rest = partitions, list[PartitionState]()
    if room.lines is not None and len(partitions) > (rows := max(2, room.lines - 3 - len(lines))):  # totals and header
        shown, rest = partitions[: rows - 1], partitions[rows - 1 :]
    who, how_much = totals(state)
    parts: list[RenderableType] = [_line(who, "bold"), _line(how_much), table(shown, now, room.columns)]
    if rest:
        parts.append(_line(_summed(rest), "dim"))
    return Group(*parts, *(_line(line, whole=not room.wrap) for line in lines))  # in a pipe each is as long as it is


def totals(state: EngineState) -> tuple[str, str]:
    """Two lines over all partitions: how many are in which state; lag, rates, memory."""
    partitions = state.partitions
    kinds = Counter(kind(one) for one in sorted_by(partitions, "worst"))
    reading = [one for one in partitions if one.phase not in WITHOUT_WORKER]
    rate, size = sum(map(rate_of, reading)), sum(one.bytes_per_second for one in reading)
    memory = sum(one.memory_bytes or 0 for one in partitions)
    said = [
        f"lag {lag_told(partitions)} ({behind_told(partitions)})",
        f"{compact(rate)} records/s",
        f"{compact(size, 1024)}B/s",
    ]
    who = " ".join(filter(None, (state.pipeline, state.run))) + (", draining" if state.draining else "")
    nobody = "no partitions yet" if state.broker_since is None else "waiting for the broker"
    states = ", ".join(f"{count:,} {name}" for name, count in kinds.items()) or nobody
    return f"{who}: {states}", " · ".join([*said, f"{compact(memory, 1024)}B of memory"] if memory else said)


def notes_of(state: EngineState, now: datetime, yaml: str) -> list[str]:
    """What a person should read of the partitions: those that stand, worst first, then what is refused and deleted."""
    partitions = sorted_by(state.partitions, "worst")
    limit = state.retention_seconds_left_min
    told_of = (broker_told(state, now, yaml), *(told(one, now, yaml) for one in partitions))
    notes = [*gone_told(state, now, yaml), *(note for note in told_of if note is not None)]
    notes += [
        f"{one.source}: Kafka may delete what has not landed in {duration(one.retention_seconds_left)} "
        f"(alarms.retention_seconds_left_min is {duration(limit)})"
        for one in partitions
        if one.retention_seconds_left is not None and one.retention_seconds_left < limit
    ]
    refusing = [one for one in sorted_by(partitions, "refused") if severity(one) >= STANDING]
    most = (refused_most(one) for one in refusing[:1])
    return notes + [f"{said}\n  → `streamlake dead stats {yaml}`" for said in most if said is not None]


def table(partitions: Sequence[PartitionState], now: datetime, width: int) -> Table:
    """The partitions as rows, in `width` characters: numbers get short, and then columns are left out."""
    columns, cells = _fitting(partitions, now, width)
    spare = max(0, width - _needed(columns, cells, width))
    made = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim", show_edge=False)
    for column in columns:
        states = [row[columns.index(column)] for row in cells]
        state_chars = _state_chars(width, states) + spare if column.name == "state" else None
        side: Literal["left", "right"] = "right" if column.right else "left"
        made.add_column(column.name, no_wrap=True, overflow="ellipsis", justify=side, max_width=state_chars)
    for one, row in zip(partitions, cells, strict=True):
        style = STYLES.get(kind(one), "")
        made.add_row(*(Text(plain(cell), style if number < 2 else "") for number, cell in enumerate(row)))
    return made


def _line(text: str, style: str = "", *, whole: bool = False) -> Text:
    return Text(plain(text), style, no_wrap=True, overflow="ignore" if whole else "ellipsis")


def said_at(state: EngineState) -> datetime:
    """Now, by the clock of whoever said the state."""
    return datetime.fromisoformat(state.said_at) if state.said_at else datetime.now(UTC)


def _fitting(partitions: Sequence[PartitionState], now: datetime, width: int) -> tuple[list[Column], list[list[str]]]:
    """The columns that fit, and their cells row by row."""
    columns = [column for column in COLUMNS if column.name != "lately" or any(one.rates for one in partitions)]
    cells = _cells(columns, partitions, now, width, short=False)
    if _needed(columns, cells, width) <= width:
        return columns, cells
    while True:
        cells = _cells(columns, partitions, now, width, short=True)
        dearest = max(columns, key=lambda column: column.dear)
        if dearest.dear == 0 or _needed(columns, cells, width) <= width:
            return columns, cells
        columns.remove(dearest)


def _cells(
    columns: Sequence[Column], partitions: Sequence[PartitionState], now: datetime, width: int, *, short: bool
) -> list[list[str]]:
    rows = [[column.text(one, now, short) for column in columns] for one in partitions]
    partition_chars = max(PARTITION_CHARS_MIN, width // 6)
    for row in rows:
        row[0] = row[0] if len(row[0]) <= partition_chars else "…" + row[0][1 - partition_chars :]
    return rows


def _needed(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> int:
    """Characters of all columns and the gaps between them, the state's at its least."""
    texts = zip(*([column.name for column in columns], *cells), strict=True)
    each = (
        _state_chars(width, column_texts) if column.name == "state" else max(map(len, column_texts))
        for column, column_texts in zip(columns, texts, strict=True)
    )
    return sum(each) + GAP * (len(columns) - 1)


def _state_chars(width: int, states: Iterable[str]) -> int:
    """At least so many for the state: more where there is more to read than a word, as why a partition stands."""
    if width < NARROW:
        return STATE_CHARS_MIN
    longest = max(map(len, states), default=0)
    return max(width // 4 if width >= WIDE else STATE_CHARS_MIN, min(longest, STATE_CHARS_SAID))


def _summed(rest: Sequence[PartitionState]) -> str:
    kinds = ", ".join(f"{count:,} {name}" for name, count in Counter(map(kind, rest)).items())
    return f"… {len(rest):,} more: {kinds}; lag {lag_told(rest)}; {compact(sum(map(rate_of, rest)))} records/s"


def _lines(notes: Sequence[str], room: Room) -> list[str]:
    """The notes as lines of the screen; cut where they would take more than a third of it, which is said then."""
    lines = [line for note in notes for line in note.split("\n")]
    if not room.wrap:
        return lines
    lines = [part for line in lines for part in textwrap.wrap(line, room.columns, subsequent_indent="  ")]
    most = len(lines) if room.lines is None else max(2, room.lines // 3)
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], f"… {len(lines) - most + 1} more lines; `streamlake status --all` has them"]


def _commit(one: PartitionState, now: datetime, *, short: bool) -> str:
    if not one.last_commit_at:
        return "never"
    ago = brief(max(0.0, (now - datetime.fromisoformat(one.last_commit_at)).total_seconds()))
    size = f" {compact(one.last_commit_bytes, 1024)}" if one.last_commit_rows else ""
    return f"{ago}{'' if short else ' ago'}{size}"


def _rate(one: PartitionState, *, short: bool) -> str:
    if one.phase in NOBODYS:
        return "?"
    return "-" if one.phase in WITHOUT_WORKER else _full(round(one.records_per_second), short)


def _kept_for(one: PartitionState) -> str:
    return "-" if one.retention_seconds_left is None else brief(one.retention_seconds_left)


def _full(number: int, short: bool) -> str:
    return compact(number) if short else f"{number:,}"
