"""`quality run`: the checks of a pipeline's YAML over what landed in a range of time, and what they found."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from streamlake.config.columns import ColumnPath, parse_column
from streamlake.config.load import load_pipeline
from streamlake.config.model import PipelineConfig
from streamlake.config.quality import CheckSettings, Freshness, RefusedRatio, Relationships, RowCount, Sql, Volume
from streamlake.engine.contracts import Ledger
from streamlake.engine.errors import ConfigError, UsageError
from streamlake.engine.operations.quality_checks import check_query, check_rows, columns_of, names_in, query_problems
from streamlake.engine.operations.quality_database import Database, RefusedQueryError, open_database
from streamlake.engine.operations.quality_entries import Landed, freshness, refused_ratio, row_count, volume
from streamlake.engine.operations.quality_rows import Rows
from streamlake.engine.operations.quality_shapes import Wanted
from streamlake.engine.operations.quality_types import CheckResult, Finding, QualityReport, TimeRange
from streamlake.engine.operations.topic_reader import TopicReader


@dataclass(frozen=True, slots=True)
class Outside:
    """What a quality run is handed: how to get at other pipelines' ledgers, a reader of topics, and the time.

    `topic_reader` may be None where no check compares with Kafka (`needs_kafka`).
    """

    open_ledger: Callable[[PipelineConfig], Ledger]
    topic_reader: TopicReader | None = None
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))


def run_quality(
    config: PipelineConfig,
    ledger: Ledger,
    within: TimeRange,
    outside: Outside,
    *,
    only: Sequence[str] = (),
) -> QualityReport:
    """Make the checks of `config.quality`, or those that `only` names, over what was committed `within` a time.

    Reads the ledger, and of each live file the columns that a check looks at. What can't be checked (a query that does
    not fit the rows) is a result of status `error`. Raises UsageError for an unknown name or where there are no checks,
    ConfigError for what the rows can't have or where DuckDB is missing, FileDamagedError, LedgerDamagedError,
    StorageError, SourceError, QualityError.
    """
    checks = wanted_checks(config, only)
    started, began = outside.now(), time.monotonic()
    with ExitStack() as stack:
        run = _Run(config, ledger, within, outside, checks, started, stack)
        run.prepare()
        results = [run.result(check) for check in checks]
        rows = run.rows
    files, count = (rows.files, rows.count) if rows else _of_ledger(run.landed())
    notes = (
        [f"{rows.unplaced:,} rows don't say their offset, and neither does the ledger"]
        if rows and rows.unplaced
        else []
    )
    seconds = time.monotonic() - began
    return QualityReport(config.pipeline, within, started, seconds, files, count, results, notes)


def wanted_checks(config: PipelineConfig, only: Sequence[str] = ()) -> Sequence[CheckSettings]:
    """The checks of the YAML, or those of these names, in the YAML's order. Raises UsageError."""
    if config.quality is None:
        raise UsageError(f"{config.pipeline} has no checks: the YAML needs a section `quality:` with `checks:`")
    known = {check.title: check for check in config.quality.checks}
    for name in only:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise UsageError(f"--check {name!r}: there is no such check; {hint}")
    return [check for name, check in known.items() if not only or name in only]


def needs_kafka(checks: Sequence[CheckSettings]) -> bool:
    """Whether any of these compares with Kafka."""
    return any(isinstance(check, RowCount) and check.equals == "kafka" for check in checks)


@dataclass
class _Run:
    """One run's parts, made as far as its checks need them."""

    config: PipelineConfig
    ledger: Ledger
    within: TimeRange
    outside: Outside
    checks: Sequence[CheckSettings]
    now: datetime
    stack: ExitStack
    rows: Rows | None = None
    parents: dict[tuple[Path, str], Rows] = field(default_factory=dict)

    @cached_property
    def columns(self) -> Sequence[ColumnPath]:
        """What checks look at, each once."""
        return list(dict.fromkeys(parse_column(name) for check in self.checks for name in columns_of(check)))

    def prepare(self) -> None:
        """Open the database and take the rows in, where a check looks at rows; say what is wrong before that."""
        queries = [check for check in self.checks if isinstance(check, Sql)]
        if not self.columns and not queries:
            return
        database = self.stack.enter_context(open_database())
        self._refuse(self._query_problems(database))
        others = self._others()
        said = [names_in(database, check.query) for check in queries]
        names = frozenset[str]().union(*(names for names, _ in said))
        wanted = Wanted(self.columns, names, any(everything for _, everything in said), bool(queries))
        database.run("BEGIN")  # all of it at once: each commit would be on the disk before the next
        self.rows = Rows(database, self.ledger, wanted, "landed")
        for entry in self.landed().entries():
            self.rows.take(entry)
        self._refuse(self._lacking())
        for number, (key, other) in enumerate(others.items()):
            self.parents[key] = self._take_parent(database, key, other, f"parent{number}")
        database.run("COMMIT")

    def landed(self, check: CheckSettings | None = None) -> Landed:
        """What has landed of a check's topic, or of all that the pipeline reads."""
        topics = self.config.kafka.topic_names if check is None or check.topic is None else (check.topic,)
        return Landed(self.ledger, topics, self.within)

    def result(self, check: CheckSettings) -> CheckResult:
        """Make a check."""
        began = time.monotonic()
        try:
            found = self._finding(check)
        except RefusedQueryError as error:
            found = Finding(0, 0, message=str(error), status="error")
        return CheckResult(
            name=check.title,
            type=getattr(check, "type", ""),
            severity=check.severity,
            column=", ".join(columns_of(check)),
            topic=check.topic,
            status=found.judged(),
            rows=found.rows,
            failures=found.failures,
            examples=list(found.examples),
            message=found.message,
            seconds=round(time.monotonic() - began, 6),
        )

    def _finding(self, check: CheckSettings) -> Finding:
        examples_max = self.config.quality.examples_max if self.config.quality else 0
        landed = self.landed(check)
        match check:
            case RowCount():
                return row_count(landed, check, self.outside.topic_reader, examples_max)
            case Freshness():
                return freshness(landed, check, self.now)
            case RefusedRatio():
                return refused_ratio(landed, check, examples_max)
            case Volume():
                return volume(landed, check, self.now)
        return self._finding_in_rows(check, examples_max)

    def _finding_in_rows(self, check: CheckSettings, examples_max: int) -> Finding:
        if self.rows is None or not self.rows.count:
            return Finding(0, 0)
        if isinstance(check, Sql):
            return check_query(self.rows, check, examples_max)
        parent = self.parents[check.to, check.field] if isinstance(check, Relationships) else None
        columns = [f"c{self.columns.index(parse_column(name))}" for name in columns_of(check)]
        return check_rows(self.rows, check, columns, parent, examples_max)

    def _query_problems(self, database: Database) -> Iterator[str]:
        for check in self.checks:
            yield from (f"{self._path(check)}.{problem}" for problem in query_problems(database, check))

    def _others(self) -> Mapping[tuple[Path, str], PipelineConfig]:
        """The pipelines that relationships lead to. Raises ConfigError where one can't be read."""
        wanted = {(check.to, check.field) for check in self.checks if isinstance(check, Relationships)}
        return {key: load_pipeline(key[0]) for key in sorted(wanted)}

    def _take_parent(self, database: Database, key: tuple[Path, str], config: PipelineConfig, name: str) -> Rows:
        """All rows of another pipeline, as far as one column goes."""
        column = parse_column(key[1])
        ledger = self.outside.open_ledger(config)
        rows = Rows(database, ledger, Wanted([column]), name)
        for entry in Landed(ledger, config.kafka.topic_names, TimeRange()).entries():
            rows.take(entry)
        if rows.lacking:
            checks = [one for one in self.checks if isinstance(one, Relationships) and (one.to, one.field) == key]
            self._refuse(f"{self._path(check)}.field: {_no_column(key[1], column, rows)}" for check in checks)
        return rows

    def _lacking(self) -> Iterator[str]:
        assert self.rows is not None, "rows were taken in"
        for check in self.checks:
            for name in columns_of(check):
                if (column := parse_column(name)) in self.rows.lacking:
                    yield f"{self._path(check)}: {_no_column(name, column, self.rows)}"

    def _path(self, check: CheckSettings) -> str:
        """Where a check stands, as `--set` has it."""
        assert self.config.quality is not None, "it has this check"
        return f"quality.checks[{self.config.quality.checks.index(check)}]"

    def _refuse(self, problems: Iterator[str]) -> None:
        """Raise ConfigError where there are any."""
        if found := list(problems):
            raise ConfigError(*found)


def _no_column(said: str, column: ColumnPath, rows: Rows) -> str:
    near = get_close_matches(column.steps[0], rows.names, 1)
    hint = f"did you mean {near[0]}?" if near else f"they have {', '.join(rows.names)}"
    return f"{said!r}: no file of the range has a column {column.steps[0]!r}; {hint}"


def _of_ledger(landed: Landed) -> tuple[int, int]:
    """Files and rows of the range, as its entries say."""
    entries = list(landed.entries())
    return sum(file.kind == "raw" for entry in entries for file in entry.files), sum(entry.landed for entry in entries)
