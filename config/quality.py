"""The `quality:` section of a pipeline's YAML: the checks that `streamlake quality run` makes of what landed."""

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema, model_validator

from streamlake.config.columns import ColumnName
from streamlake.config.section import Section
from streamlake.config.values import Fraction, Loc, PathBeside, Seconds, SeveralProblemsError, TopicName, Whole, plain

Severity = Literal["warn", "error"]


def scalar(value: object) -> object:
    """A text, a number, true or false."""
    value = plain(value)
    if not isinstance(value, str | int | float):
        raise ValueError("must be a text, a number, true or false")  # noqa: TRY004  # pydantic heeds ValueError alone
    return value


def limit(value: object) -> object:
    """A number, or the text of a date or timestamp."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be a number, a date or a timestamp")  # noqa: TRY004  # as above
    if isinstance(value, str) and moment_of(value) is None:
        raise ValueError("is neither a number nor a date or timestamp, as in 2026-01-31T06:00:00Z")
    return value


def not_empty(items: tuple[object, ...]) -> tuple[object, ...]:
    """At least one item. pydantic's own limit would count those alone that are right, and call [5] empty."""
    if not items:
        raise ValueError("must not be empty")
    return items


NOT_EMPTY = (AfterValidator(not_empty), Field(json_schema_extra={"minItems": 1}))

Scalar = Annotated[
    bool | int | float | str, PlainValidator(scalar), WithJsonSchema({"type": ["string", "number", "boolean"]})
]
Limit = Annotated[int | float | str, PlainValidator(limit), WithJsonSchema({"type": ["string", "number"]})]


class CheckSettings(Section):
    """What every check has."""

    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="What results call it. Default: its type and what it looks at, as in `not_null /order_id`. Change "
        "it where two checks would be called alike, or another system knows it by a name.",
    )
    severity: Severity = Field(
        default="error",
        description="error: where it fails, the command exits 1; warn: it is told. Default: error. Change it to warn "
        "where nobody shall be woken.",
    )
    topic: TopicName | None = Field(
        default=None,
        description="Only the rows of this topic. Default: all topics that the pipeline reads. Change it where the "
        "topics have different records.",
    )

    @property
    def subject(self) -> str:
        """What the check looks at, for its name; empty where its type says it all."""
        return ""

    @property
    def title(self) -> str:
        """`name`, or what stands for it."""
        named = f"{getattr(self, 'type', '')} {self.subject}".strip()
        return self.name or (f"{named} of {self.topic}" if self.topic else named)


class ColumnCheck(CheckSettings):
    """A check of one column's values."""

    column: ColumnName = Field(
        description="A field's name, a JSON pointer (/customer/id), a path ($.customer.id), or a record's own column "
        "(_partition, _offset, _timestamp, _timestamp_type, _key). Change it when the record's fields do."
    )

    @property
    def subject(self) -> str:
        """The column."""
        return self.column


class NotNull(ColumnCheck):
    """Every row has a value there (dbt: not_null; Great Expectations: expect_column_values_to_not_be_null)."""

    type: Literal["not_null"] = Field(description="Every row has a value there, and it is not null.")


class Unique(CheckSettings):
    """No value comes twice among the rows of the range; rows without a value are left out."""

    type: Literal["unique"] = Field(description="No value comes twice in the range; nulls are left out.")
    column: ColumnName | None = Field(
        default=None,
        description="The column; or give `columns`. Default: none. Change it to what is unique by itself, as order_id.",
    )
    columns: Annotated[tuple[ColumnName, ...], *NOT_EMPTY] | None = Field(
        default=None,
        description="Several columns whose combination is to be unique. Default: none. Change it where only several "
        "together are unique, as order_id and line.",
    )

    @property
    def subject(self) -> str:
        """The columns."""
        return ", ".join(self.all_columns)

    @property
    def all_columns(self) -> tuple[str, ...]:
        """`columns`, or `column` alone."""
        return self.columns or ((self.column,) if self.column else ())

    @model_validator(mode="after")
    def _says_which(self) -> "Unique":
        if (self.column is None) == (self.columns is None):
            raise SeveralProblemsError((("column",), "unique needs either `column` or `columns`"))
        return self


class AcceptedValues(ColumnCheck):
    """Every value is one of those that are listed (dbt: accepted_values; GX: expect_column_values_to_be_in_set)."""

    type: Literal["accepted_values"] = Field(description="Every value is one of `values`; nulls are left out.")
    values: Annotated[tuple[Scalar, ...], *NOT_EMPTY] = Field(
        description='What is accepted: texts, numbers, true, false. 1 and "1" are not the same. Change it when a '
        "value is added or taken away."
    )


class AcceptedRange(ColumnCheck):
    """Every value lies between two limits (dbt_utils: accepted_range; GX: expect_column_values_to_be_between)."""

    type: Literal["accepted_range"] = Field(description="Every value lies between two limits; nulls are left out.")
    min_value: Limit | None = Field(
        default=None,
        description="A number, or a date or timestamp as ISO 8601. Default: none. Change it to the least that makes "
        "sense.",
    )
    max_value: Limit | None = Field(
        default=None,
        description="A number, or a date or timestamp as ISO 8601. Default: none. Change it to the most that makes "
        "sense.",
    )
    inclusive: bool = Field(
        default=True,
        description="Whether the limits themselves are accepted. Default: true. Change it to false where the limits "
        "themselves are wrong, as a price of 0.",
    )

    @property
    def of_times(self) -> bool:
        """Whether the limits are points in time."""
        return isinstance(self.min_value if self.min_value is not None else self.max_value, str)

    @model_validator(mode="after")
    def _limits_fit(self) -> "AcceptedRange":
        least, most = self.min_value, self.max_value
        if least is None and most is None:
            raise SeveralProblemsError((("min_value",), "is missing, and so is `max_value`: one of them is needed"))
        if least is not None and most is not None and (problem := _out_of_order(least, most)):
            raise SeveralProblemsError(problem)
        return self


class MatchesRegex(ColumnCheck):
    """Every value matches a pattern (GX: expect_column_values_to_match_regex)."""

    type: Literal["matches_regex"] = Field(description="Every value matches `regex` somewhere; nulls are left out.")
    regex: str = Field(
        min_length=1,
        description="The pattern, in RE2's syntax; ^ and $ for the whole value. Change it when the format does.",
    )


class Relationships(ColumnCheck):
    """Every value is there in the files of another pipeline (dbt: relationships)."""

    type: Literal["relationships"] = Field(
        description="Every value is in another pipeline's files; nulls are left out."
    )
    to: PathBeside = Field(
        description="The other pipeline's YAML, relative to this file. Change it when the other pipeline's file moves."
    )
    field: ColumnName = Field(
        description="The column of its rows in which the value has to be. Change it when the other pipeline's fields "
        "do."
    )

    @property
    def subject(self) -> str:
        """Both ends."""
        return f"{self.column} to {self.to.stem} {self.field}"


class RowCount(CheckSettings):
    """How many rows there are (GX: expect_table_row_count_to_be_between, …_to_equal_other_table)."""

    type: Literal["row_count"] = Field(description="How many rows the files of the range have.")
    equals: Literal["kafka"] | None = Field(
        default=None,
        description="kafka: rows, refused and skipped are as many as the messages that Kafka still has there; they "
        "are counted by reading them. Default: none. Change it to kafka to hold what landed against its source, while "
        "Kafka still keeps it.",
    )
    min_value: Annotated[Whole, Field(ge=0, le=10**15)] | None = Field(
        default=None,
        description="So many at least. Default: none. Change it to the least that a range of the usual length brings.",
    )
    max_value: Annotated[Whole, Field(ge=0, le=10**15)] | None = Field(
        default=None,
        description="So many at most. Default: none. Change it to the most that a range of the usual length brings.",
    )

    @property
    def subject(self) -> str:
        """What they are compared with."""
        return f"equals {self.equals}" if self.equals else ""

    @model_validator(mode="after")
    def _says_what(self) -> "RowCount":
        if self.equals is None and self.min_value is None and self.max_value is None:
            raise SeveralProblemsError((("min_value",), "is missing: give min_value, max_value or `equals: kafka`"))
        if self.min_value is not None and self.max_value is not None and self.min_value > self.max_value:
            raise SeveralProblemsError((("min_value",), f"{self.min_value} is more than max_value, {self.max_value}"))
        return self


class Freshness(CheckSettings):
    """The newest record is not old (dbt: source freshness)."""

    type: Literal["freshness"] = Field(description="The newest landed record of each topic is not too old.")
    max_age: Annotated[Seconds, Field(gt=0, le=3660 * 86_400)] = Field(
        description="How old it may be at the range's end, by its own timestamp, as in 15m. Change it to the longest "
        "pause that is normal, batch.seconds_max included."
    )


class RefusedRatio(CheckSettings):
    """Not too many records of the range are dead letters."""

    type: Literal["refused_ratio"] = Field(description="Dead letters, as a part of landed and refused records.")
    max_value: Annotated[Fraction, Field(ge=0, lt=1)] = Field(
        description="The part that may be refused, as in 0.01. Change it to somewhat more than what is normal; well "
        "below dead_letters.breaker.ratio_max."
    )


class Volume(CheckSettings):
    """About as many rows landed in an hour as in the same hour of the days before."""

    type: Literal["volume"] = Field(description="Rows of an hour, against the median of that hour of earlier days.")
    days: Annotated[Whole, Field(ge=1, le=366)] = Field(
        default=7,
        description="How many days before it are looked at. Default: 7. Change it where weeks differ (more), or the "
        "volume grows fast (less).",
    )
    min_ratio: Annotated[Fraction, Field(ge=0, le=1)] = Field(
        default=0.5,
        description="At least this part of the median. Default: 0.5. Change it where quiet hours are normal (less).",
    )
    max_ratio: Annotated[Fraction, Field(ge=1, le=1_000_000)] = Field(
        default=2.0,
        description="At most so many times the median. Default: 2. Change it where peaks are normal (more).",
    )


class Sql(CheckSettings):
    """A query of one's own that returns offending rows (dbt: a singular test)."""

    type: Literal["sql"] = Field(description="A query that returns the rows that should not be.")
    name: str = Field(min_length=1, max_length=200, description="What results call it. Change it with the query.")
    query: str = Field(
        min_length=1,
        description="One SELECT over `rows`: the files' columns and _topic. What it returns is offending; it should "
        "return _topic, _partition and _offset. Change it for what no other check can say.",
    )


Check = Annotated[
    NotNull
    | Unique
    | AcceptedValues
    | AcceptedRange
    | MatchesRegex
    | Relationships
    | RowCount
    | Freshness
    | RefusedRatio
    | Volume
    | Sql,
    Field(discriminator="type"),
]


class QualitySettings(Section):
    """The checks of `streamlake quality run`."""

    checks: Annotated[tuple[Check, ...], *NOT_EMPTY] = Field(
        description="The checks; each has a `type`, which says what else it has."
    )
    examples_max: Annotated[Whole, Field(ge=0, le=1000)] = Field(
        default=5,
        description="Offending rows that a result shows at most. Default: 5. Change it to see more of what fails "
        "(more), or to keep records out of results (0).",
    )

    @model_validator(mode="after")
    def _names_differ(self) -> "QualitySettings":
        times = Counter(check.title for check in self.checks)
        problems: list[tuple[Loc, str]] = [
            (("checks", index), f"another check is called {check.title!r}, too: give one of them a `name` of its own")
            for index, check in enumerate(self.checks)
            if times[check.title] > 1
        ]
        if problems:
            raise SeveralProblemsError(*problems)
        return self


def moment_of(text: str) -> datetime | None:
    """A date or timestamp, UTC where it names no zone; None for any other text."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _out_of_order(least: float | str, most: float | str) -> tuple[Loc, str] | None:
    if isinstance(least, str) != isinstance(most, str):
        return ("max_value",), f"{most!r} and min_value {least!r}: both have to be numbers, or both points in time"
    low, high = (moment_of(value) if isinstance(value, str) else value for value in (least, most))
    if low > high:  # type: ignore[operator]  # of one kind, as was just seen
        return ("min_value",), f"{least!r} is more than max_value, {most!r}"
    return None
