"""What a check of rows asks of each of them, as SQL: which rows it looks at, and which of those are bad."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streamlake.config.quality import (
    AcceptedRange,
    AcceptedValues,
    CheckSettings,
    MatchesRegex,
    NotNull,
    Relationships,
    Unique,
    moment_of,
)

NUMBERS = "('BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT', 'UHUGEINT')"
"""What `json_type` says of numbers."""


@dataclass(frozen=True, slots=True)
class Condition:
    """`looks_at` and `bad` are true or false for each row of `checked`; `shown` is the text of what offends.

    `values` are what `$name` stands for. `order`: by what the first examples are chosen, before their place. `before`:
    a common table expression that they need.
    """

    looks_at: str
    bad: str
    shown: str
    values: Mapping[str, object] = field(default_factory=dict)
    order: str = "NULL"
    before: str = ""


def condition_of(check: CheckSettings, columns: Sequence[str], parent: str = "") -> Condition:
    """The condition of a check over its columns (c0, …); `parent` is the query of what a relationship leads to."""
    column = columns[0]
    there, shown = f"{column} IS NOT NULL", _text_of(column)
    match check:
        case NotNull():
            return Condition("true", f"{column} IS NULL", shown)
        case Unique():
            return _unique(columns)
        case AcceptedValues():
            bad, values = _not_among(column, check.values)
            return Condition(there, bad, shown, values)
        case AcceptedRange():
            bad, values = _outside(column, check)
            return Condition(there, bad, shown, values)
        case MatchesRegex():
            return Condition(there, f"NOT regexp_matches({shown}, $regex)", shown, {"regex": check.regex})
        case Relationships():
            before = f"WITH parent AS (SELECT DISTINCT {_text_of('c0')} AS key FROM ({parent}) WHERE c0 IS NOT NULL)"
            return Condition(there, f"{shown} NOT IN (SELECT key FROM parent)", shown, before=before)
    raise AssertionError(f"{check.__class__.__name__} is no check of rows")


def _unique(columns: Sequence[str]) -> Condition:
    key = columns[0] if len(columns) == 1 else f"to_json([{', '.join(columns)}])"
    there = " AND ".join(f"{column} IS NOT NULL" for column in columns)
    before = f"WITH twice AS (SELECT {key}::VARCHAR AS key FROM checked WHERE {there} GROUP BY ALL HAVING count(*) > 1)"
    shown = _text_of(columns[0]) if len(columns) == 1 else f"{key}::VARCHAR"
    return Condition(there, f"{key}::VARCHAR IN (SELECT key FROM twice)", shown, order=f"{key}::VARCHAR", before=before)


def _not_among(column: str, accepted: Sequence[object]) -> tuple[str, Mapping[str, object]]:
    """A text is compared with texts, a number with numbers: 1 is not "1", and 1.0 is 1."""
    truths = [json.dumps(value) for value in accepted if isinstance(value, bool)]
    numbers = [float(value) for value in accepted if isinstance(value, int | float) and not isinstance(value, bool)]
    texts = [value for value in accepted if isinstance(value, str)]
    kinds: Mapping[str, tuple[Sequence[object], str]] = {
        "texts": (texts, f"json_type({column}) = 'VARCHAR' AND list_contains($texts::VARCHAR[], {_text_of(column)})"),
        "numbers": (
            numbers,
            f"json_type({column}) IN {NUMBERS} AND list_contains($numbers::DOUBLE[], TRY_CAST({column} AS DOUBLE))",
        ),
        "truths": (truths, f"list_contains($truths::VARCHAR[], {column}::VARCHAR)"),
    }
    wanted = {name: (values, good) for name, (values, good) in kinds.items() if values}
    good = " OR ".join(f"({condition})" for _, condition in wanted.values())
    return f"NOT coalesce({good}, false)", {name: values for name, (values, _) in wanted.items()}


def _outside(column: str, check: AcceptedRange) -> tuple[str, Mapping[str, object]]:
    """Bad is what lies outside, and what is neither a number nor a time where one is wanted."""
    kind = "TIMESTAMPTZ" if check.of_times else "DOUBLE"
    value = f"TRY_CAST({_text_of(column)} AS {kind})"
    at_least, at_most = (">=", "<=") if check.inclusive else (">", "<")
    limits = {"least": (check.min_value, at_least), "most": (check.max_value, at_most)}
    given = {name: (limit, sign) for name, (limit, sign) in limits.items() if limit is not None}
    good = " AND ".join(f"{value} {sign} ${name}::{kind}" for name, (_, sign) in given.items())
    return f"NOT coalesce({good}, false)", {name: _limit(limit) for name, (limit, _) in given.items()}


def _limit(value: float | str) -> object:
    if not isinstance(value, str):
        return float(value)
    moment = moment_of(value)
    assert moment is not None, "was checked with the YAML"
    return moment.isoformat()


def _text_of(column: str) -> str:
    """A JSON value as text: a text without its quotes."""
    return f"({column} ->> '$')"
