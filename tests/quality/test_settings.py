"""The section `quality:`: every mistake is a sentence with its place, the value, and what it could have been."""

from pathlib import Path

import pytest
from support.yaml_file import SMALL, YamlFile

from streamlake.config.columns import parse_column
from streamlake.config.schema import pipeline_schema


@pytest.mark.parametrize(
    ("check", "says"),
    [
        ("{type: not_nul, column: a}", "[0].type: 'not_nul' is no type; did you mean not_null?"),
        ("{type: xyz}", "[0].type: 'xyz' is no type; there are not_null, unique, accepted_values, "),
        ("{column: a}", "[0].type: is missing: one of not_null, unique, "),
        ("{type: not_null}", "[0].column: is missing. A field's name, a JSON pointer"),
        ("{type: not_null, colum: a, column: a}", "[0].colum: unknown key; did you mean column?"),
        ("{type: not_null, column: a, values: [1]}", "[0].values: unknown key; known here: name, severity"),
        ("{type: not_null, column: _offse}", "[0].column: '_offse' is none of a record's own columns"),
        ("{type: not_null, column: 'a b['}", "[0].column: 'a b[' names no column: it must be a field's name"),
        ("{type: not_null, column: a, severity: warning}", "'warning' must be 'warn' or 'error'; did you mean warn?"),
        ("{type: not_null, column: a, topic: order.rw}", "'order.rw' is no topic that this pipeline reads; did"),
        ("{type: unique}", "[0].column: unique needs either `column` or `columns`"),
        ("{type: unique, column: a, columns: [b]}", "[0].column: unique needs either `column` or `columns`"),
        ("{type: accepted_values, column: a, values: []}", "[0].values: a list must not be empty"),
        ("{type: accepted_values, column: a, values: [[1]]}", "[0].values[0]: a list must be a text, a number, true"),
        ("{type: accepted_range, column: a}", "[0].min_value: is missing, and so is `max_value`"),
        ("{type: accepted_range, column: a, min_value: x}", "[0].min_value: 'x' is neither a number nor a date"),
        ("{type: accepted_range, column: a, min_value: true}", "[0].min_value: true must be a number, a date or a"),
        ("{type: accepted_range, column: a, min_value: 5, max_value: 3}", "[0].min_value: 5 is more than max_value, 3"),
        ("{type: accepted_range, column: a, min_value: 2026-02-01, max_value: 2026-01-01}", "is more than max_value"),
        ("{type: accepted_range, column: a, min_value: 2026-02-01, max_value: 3}", "both have to be numbers, or both"),
        ("{type: row_count}", "[0].min_value: is missing: give min_value, max_value or `equals: kafka`"),
        ("{type: row_count, min_value: 3, max_value: 2}", "[0].min_value: 3 is more than max_value, 2"),
        ("{type: row_count, equals: kafak}", "[0].equals: 'kafak' must be 'kafka'; did you mean kafka?"),
        ("{type: freshness, max_age: soon}", "[0].max_age: 'soon' must be a duration"),
        ("{type: refused_ratio, max_value: 1}", "[0].max_value: 1 must be less than 1"),
        ("{type: volume, days: 0}", "[0].days: 0 must be at least 1"),
        ("{type: sql, query: SELECT 1}", "[0].name: is missing. What results call it."),
        ("5", "[0]: 5 must be a mapping"),
    ],
)  # fmt: skip  # a line each
def test_a_mistake_is_a_sentence_with_its_place(tmp_path: Path, check: str, says: str) -> None:
    (problem,) = YamlFile(tmp_path).problems(SMALL, append=f"quality:\n  checks:\n    - {check}\n")
    assert problem.startswith("pipeline.yaml:13:")
    assert says in problem


def test_two_checks_of_one_name_are_told_apart_by_giving_one_another(tmp_path: Path) -> None:
    twice = "quality:\n  checks:\n" + "    - {type: not_null, column: a}\n" * 2
    problems = YamlFile(tmp_path).problems(SMALL, append=twice)
    assert problems == [
        f"pipeline.yaml:{line}:7: quality.checks[{at}]: another check is called 'not_null a', too: give one of them a "
        "`name` of its own"
        for at, line in enumerate((13, 14))
    ]


def test_values_may_come_from_variables_and_paths_start_at_the_file(tmp_path: Path) -> None:
    text = "quality:\n  checks:\n    - {type: accepted_values, column: a, values: ['${A}', '${B}']}\n"
    text += "    - {type: relationships, column: a, to: other.yaml, field: /id}\n"
    config = YamlFile(tmp_path).load(SMALL, environ={"A": "5", "B": "x"}, append=text)
    assert config.quality is not None
    values, relation = config.quality.checks
    assert values.model_dump()["values"] == (5, "x")
    assert relation.model_dump()["to"] == tmp_path / "other.yaml"
    assert [check.title for check in config.quality.checks] == ["accepted_values a", "relationships a to other /id"]


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ("id", "/id"),
        ("/customer/id", "/customer/id"),
        ("$.customer.id", "/customer/id"),
        ("$.items[0].sku", "/items/0/sku"),
        ('$."a b".c', "/a b/c"),
        ("$", ""),
        ("/a~1b~0c", "/a~1b~0c"),
        ('$."a/b~c"', "/a~1b~0c"),
        ("/_key", "/_key"),
    ],
)
def test_a_column_is_a_name_a_pointer_or_a_path(said: str, pointer: str) -> None:
    assert (parse_column(said).own, parse_column(said).pointer) == (None, pointer)


@pytest.mark.parametrize(
    "said", ["", "/", "a/b", "$a", "$.", "$..a", "$.a[", "$.a[*]", "a.b", "a[0]", "_id", "/a~2", "//"]
)
def test_anything_else_is_no_column(said: str) -> None:
    with pytest.raises(ValueError, match=r"is none of|names no column"):
        parse_column(said)


def test_an_editor_completes_each_type_of_check() -> None:
    defs = pipeline_schema()["$defs"]
    refs = defs["QualitySettings"]["properties"]["checks"]["items"]["oneOf"]
    types = {defs[ref["$ref"].rpartition("/")[2]]["properties"]["type"]["anyOf"][0]["const"] for ref in refs}
    assert len(types) == 11
