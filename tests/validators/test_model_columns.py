"""Typed columns of a pydantic model hold what the model makes of a payload, exactly, or the record is refused."""

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    NaiveDatetime,
    computed_field,
    field_validator,
    model_validator,
)
from validators import making
from validators.shapes import EARLIEST, LATEST

from streamlake.engine.errors import ConfigError
from streamlake.plugins.validators.decode import Gate
from streamlake.plugins.validators.pydantic import PydanticValidator


class Colour(enum.StrEnum):
    RED = "red"


class Size(enum.IntEnum):
    LARGE = 3


class Part(BaseModel):
    name: str
    weight: float | None = None


class Everything(BaseModel):
    """A field of every kind there is a column for."""

    model_config = ConfigDict(extra="ignore")

    text: str
    whole: int
    number: float
    flag: bool
    money: Decimal = Field(max_digits=12, decimal_places=2)
    ratio: Decimal
    day: dt.date
    at: AwareDatetime
    wall: NaiveDatetime
    some_time: dt.datetime
    colour: Colour
    size: Size
    word: Literal["a", "b"]
    part: Part
    parts: list[Part | None]
    counts: dict[str, int]
    maybe: int | None = None
    union: int | str
    anything: Any = None
    open_: dict[str, Any] = Field(alias="open")
    id_: uuid.UUID = Field(alias="id")
    limited: Annotated[str, Field(max_length=9)] = "none"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def size_name(self) -> str:
        """What the model adds itself."""
        return self.size.name


class Shouting(BaseModel):
    word: str
    many: int = 0

    @field_validator("word")
    @classmethod
    def shout(cls, value: str) -> str:
        """Change the value."""
        return value.upper()

    @field_validator("many")
    @classmethod
    def more(cls, value: int) -> int:
        """Make it too large for a column."""
        return value * 10**19


class Vanishing(BaseModel):
    word: str

    @model_validator(mode="wrap")
    @classmethod
    def vanish(cls, value: Any, handler: ModelWrapValidatorHandler["Vanishing"]) -> "Vanishing":
        """Give back what no type checker would let pass."""
        made = handler(value)
        nothing: Any = None
        return nothing if made.word == "vanish" else made


EVERYTHING = {
    "text": "t\u00e4xt\u0000", "whole": -5, "number": 2, "flag": True, "money": "1234567890.50", "ratio": "1.10",
    "day": "1996-01-02", "at": "1996-01-02T03:04:05.25+02:00", "wall": "1996-01-02T03:04:05",
    "some_time": "1996-01-02T03:04:05Z", "colour": "red", "size": 3, "word": "b", "part": {"name": "p"},
    "parts": [{"name": "q", "weight": 1.5}, None], "counts": {"a": 1, "b": 2}, "union": "u",
    "anything": [1, {"x": None}], "open": {"x": 1}, "id": "12345678-1234-5678-1234-567812345678", "ignored": 1,
}  # fmt: skip
MODEL = f"{__name__}:Everything"
EVERYTHING_TYPED = PydanticValidator(Everything, Gate(), columns=True)


def test_every_kind_of_model_field_has_its_column() -> None:
    table = making.table_of(making.pydantic(MODEL, columns=True), orjson.dumps(EVERYTHING))
    part = pa.struct([pa.field("name", pa.string(), nullable=False), pa.field("weight", pa.float64())])
    maybe_part = pa.struct([pa.field("name", pa.string()), pa.field("weight", pa.float64())])
    counts: Any = pa.field("value", pa.int64(), nullable=False)
    expected = [
        pa.field("text", pa.string(), nullable=False),
        pa.field("whole", pa.int64(), nullable=False),
        pa.field("number", pa.float64(), nullable=False),
        pa.field("flag", pa.bool_(), nullable=False),
        pa.field("money", pa.decimal128(12, 2), nullable=False),
        pa.field("ratio", pa.string(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),
        pa.field("at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("wall", pa.timestamp("us"), nullable=False),
        pa.field("some_time", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("colour", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("word", pa.string(), nullable=False),
        pa.field("part", part, nullable=False),
        pa.field("parts", pa.list_(pa.field("item", maybe_part)), nullable=False),
        pa.field("counts", pa.map_(pa.string(), counts), nullable=False),
        pa.field("maybe", pa.int64()),
        pa.field("union", pa.string()),
        pa.field("anything", pa.string()),
        pa.field("open_", pa.string()),
        pa.field("id_", pa.string(), nullable=False),
        pa.field("limited", pa.string()),
        pa.field("size_name", pa.string(), nullable=False),
    ]
    assert list(table.schema) == expected
    (row,) = table.to_pylist()
    assert row == {
        "text": "t\u00e4xt\0", "whole": -5, "number": 2.0, "flag": True, "money": Decimal("1234567890.50"),
        "ratio": "1.10", "day": dt.date(1996, 1, 2), "at": dt.datetime(1996, 1, 2, 1, 4, 5, 250000, dt.UTC),
        "wall": dt.datetime.fromisoformat("1996-01-02T03:04:05"),
        "some_time": dt.datetime(1996, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        "colour": "red", "size": 3, "word": "b", "part": {"name": "p", "weight": None},
        "parts": [{"name": "q", "weight": 1.5}, None], "counts": [("a", 1), ("b", 2)], "maybe": None, "union": '"u"',
        "anything": '[1,{"x":null}]', "open_": '{"x":1}', "id_": "12345678-1234-5678-1234-567812345678",
        "limited": "none", "size_name": "LARGE",
    }  # fmt: skip


@settings(max_examples=75, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "whole": st.integers(-(2**63), 2**63 - 1),
                "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53),
                "money": st.decimals(-(10**10) + 1, 10**10 - 1, places=2).map(str),
                "day": st.dates().map(str),
                "at": st.datetimes(
                    EARLIEST,
                    LATEST,
                    timezones=st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=-9, minutes=-30))]),
                ).map(lambda time: time.isoformat()),
                "maybe": st.none() | st.integers(-9, 9),
                "counts": st.dictionaries(st.text(max_size=3), st.integers(-9, 9), max_size=3),
            }
        ),
        max_size=4,
    )
)
def test_columns_equal_the_values_of_the_model(changes: list[dict[str, Any]]) -> None:
    payloads = [orjson.dumps({**EVERYTHING, **change}) for change in changes]
    rows = making.table_of(EVERYTHING_TYPED, *payloads).to_pylist()
    for payload, row in zip(payloads, rows, strict=True):
        model = Everything.model_validate_json(payload)
        for name in ("whole", "number", "money", "day", "at", "wall", "maybe", "text"):
            assert row[name] == getattr(model, name), name
        assert dict(row["counts"]) == model.counts


@pytest.mark.parametrize(
    ("field", "value", "where", "arrow"),
    [
        ("whole", 2**63, "/whole", "int64"),
        ("number", 2**53 + 1, "/number", "double"),
        ("parts", [{"name": "p", "weight": 2**53 + 1}], "/parts/0/weight", "double"),
        ("some_time", "1996-01-02T03:04:05", "/some_time", "timestamp[us, tz=UTC]"),
        ("counts", {"a": 1, "b": 2**64 - 1}, "/counts/b", "int64"),
    ],
)
def test_what_a_models_column_can_not_hold_is_refused(field: str, value: object, where: str, arrow: str) -> None:
    validator = making.pydantic(MODEL, columns=True)
    good = orjson.dumps(EVERYTHING)
    (refusal,) = making.refused(validator, good, orjson.dumps({**EVERYTHING, field: value}), good)
    assert (refusal.index, refusal.reason, refusal.field) == (1, "invalid", where)
    assert f"does not fit {arrow}: " in refusal.message
    assert making.table_of(validator, good, orjson.dumps({**EVERYTHING, field: value}), good).num_rows == 2


def test_what_a_models_own_validator_makes_of_a_value_is_in_the_column() -> None:
    validator = making.pydantic(f"{__name__}:Shouting", columns=True)
    assert making.table_of(validator, b'{"word":"abc"}').to_pylist() == [{"word": "ABC", "many": 0}]
    (refusal,) = making.refused(validator, b'{"word":"abc","many":7}')
    assert refusal.message == "field /many does not fit int64: 70000000000000000000"


def test_a_model_that_makes_nothing_of_a_record_has_no_row_for_it() -> None:
    validator = making.pydantic(f"{__name__}:Vanishing", columns=True)
    payloads = [b'{"word":"a"}', b'{"word":"vanish"}', b'{"word":"b"}']
    assert [(refusal.index, refusal.reason) for refusal in making.refused(validator, *payloads)] == [(1, "invalid")]
    assert making.table_of(validator, *payloads).to_pylist() == [{"word": "a"}, {"word": "b"}]


def test_a_model_without_fields_has_no_columns() -> None:
    with pytest.raises(ConfigError, match="declares no plain object"):
        making.pydantic(columns=True)
