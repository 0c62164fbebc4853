"""Makes the checks that look at rows: not_null, unique, accepted_values, …, and the queries of the YAML."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from streamlake.config.quality import CheckSettings, ColumnCheck, MatchesRegex, Relationships, Sql, Unique
from streamlake.engine.operations.quality_conditions import condition_of
from streamlake.engine.operations.quality_database import Database, RefusedQueryError, text
from streamlake.engine.operations.quality_rows import Rows
from streamlake.engine.operations.quality_types import Example, Finding

VALUE_CHARS_MAX = 500
"""Of an example: a whole payload may be a megabyte."""


def columns_of(check: CheckSettings) -> Sequence[str]:
    """The columns that a check looks at row by row, as the YAML says them; none where it does not look at rows."""
    if isinstance(check, ColumnCheck):
        return (check.column,)
    return check.all_columns if isinstance(check, Unique) else ()


def query_problems(database: Database, check: CheckSettings) -> Iterator[str]:
    """What is wrong with a query or a pattern, as far as it can be told before there are rows."""
    if isinstance(check, MatchesRegex):
        try:
            database.run("SELECT regexp_matches('', $regex)", {"regex": check.regex})
        except RefusedQueryError as error:
            yield f"regex: {check.regex!r} is no pattern of RE2: {error}"
    if isinstance(check, Sql):
        said = _parsed(database, check.query)
        if said["error"]:
            yield f"query: must be one SELECT: {said['error_message']}"
        elif len(said["statements"]) != 1:
            yield f"query: must be one SELECT, and these are {len(said['statements'])}"


def names_in(database: Database, query: str) -> tuple[frozenset[str], bool]:
    """The words of a query that may name columns, and whether it wants all of them (`*`)."""
    names: set[str] = set()
    everything = False
    left: list[Any] = [_parsed(database, query)["statements"]]
    while left:
        node = left.pop()
        if isinstance(node, Mapping):
            everything = everything or node.get("class") == "STAR"
            names.update(map(str, node.get("column_names", ())))
            names.update(map(str, node.get("using_columns", ())))
            left += node.values()
        elif isinstance(node, list):
            left += node
    return frozenset(names), everything


def check_rows(
    rows: Rows, check: CheckSettings, columns: Sequence[str], parent: Rows | None, examples_max: int
) -> Finding:
    """Look at the rows of the range. Raises RefusedQueryError, QualityError."""
    if parent is not None and not parent.count:
        assert isinstance(check, Relationships)
        return Finding(0, 0, message=f"{check.to.name} has no rows to compare with", status="error")
    condition = condition_of(check, columns, parent.checked if parent else "")
    of_topic = f" WHERE _topic = {text(check.topic)}" if check.topic else ""
    checked = f"checked AS (SELECT * FROM ({rows.checked}){of_topic})"
    also = condition.before.replace("WITH ", ", ", 1)
    example = "{'topic': _topic, 'partition': _partition, 'offset': _offset, 'value': left(shown, $chars)}"
    order = "{'by': ordering, 'topic': _topic, 'partition': _partition, 'offset': _offset}"
    examples = f"arg_min({example}, {order}, $examples) FILTER (WHERE bad)" if examples_max else "NULL"
    values = {**condition.values, **({"chars": VALUE_CHARS_MAX, "examples": examples_max} if examples_max else {})}
    ((there, looked_at, bad, found),) = rows.database.run(
        f"WITH {checked}{also} SELECT count(*), count(*) FILTER (WHERE seen), count(*) FILTER (WHERE bad), {examples} "
        f"FROM (SELECT *, seen AND ({condition.bad}) AS bad FROM (SELECT *, {condition.looks_at} AS seen, "
        f"{condition.shown} AS shown, {condition.order} AS ordering FROM checked))",
        values,
    )
    nothing = f"none of {there:,} rows has a value there" if there and not looked_at else ""
    return Finding(looked_at, bad, [Example(**one) for one in found or ()], nothing)


def check_query(rows: Rows, check: Sql, examples_max: int) -> Finding:
    """Count what a query of the YAML returns. Raises RefusedQueryError, QualityError."""
    of_topic = f" WHERE _topic = {text(check.topic)}" if check.topic else ""
    database = rows.database
    database.run(f"CREATE OR REPLACE TEMP VIEW rows AS SELECT * FROM ({rows.queried}){of_topic}")
    ((there,),) = database.run("SELECT count(*) FROM rows")
    if not there:
        return Finding(0, 0)
    # On lines of its own: a query may end in a comment.
    query = f"(\n{check.query.strip().rstrip(';')}\n)"
    ((bad,),) = database.run(f"SELECT count(*) FROM {query} AS offending")
    shown = database.run(f"SELECT to_json(offending) FROM {query} AS offending LIMIT {examples_max:d}") if bad else []
    return Finding(there, bad, [_example(json.loads(row)) for (row,) in shown])


def _parsed(database: Database, query: str) -> dict[str, Any]:
    ((said,),) = database.run("SELECT json_serialize_sql($query)", {"query": query})
    parsed: dict[str, Any] = json.loads(said)
    return parsed


def _example(row: Mapping[str, Any]) -> Example:
    """A row that a query returned: its place, as far as it says it, and the rest as JSON."""
    names = {name.lower(): name for name in row}
    place = {name: row[names[name]] for name in ("_topic", "_partition", "_offset") if name in names}
    rest = {name: value for name, value in row.items() if name.lower() not in place}
    value = json.dumps(rest, ensure_ascii=False)[:VALUE_CHARS_MAX] if rest else ""
    return Example(place.get("_topic"), place.get("_partition"), place.get("_offset"), value)
