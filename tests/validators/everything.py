"""Records with a field of every kind: their schema, and models that take all or some of it."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

INNER_SCHEMA = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "y": {"type": ["string", "null"]}},
    "required": ["x"],
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "count": {"type": "integer"},
        "limited": {"type": "integer", "minimum": 0, "exclusiveMaximum": 51},
        "ratio": {"type": "number"},
        "share": {"type": "number", "minimum": 0, "maximum": 100},
        "name": {"type": "string", "maxLength": 3},
        "code": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "choice": {"enum": ["O", "F", "P"]},
        "day": {"type": "string", "format": "date"},
        "at": {"type": "string", "format": "date-time"},
        "id": {"type": "string", "format": "uuid"},
        "flag": {"type": "boolean"},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "either": {"type": ["integer", "string", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "open": {"type": "object", "additionalProperties": {"type": "integer"}},
        "inner": {"$ref": "#/$defs/Inner"},
        "inners": {"type": "array", "items": {"$ref": "#/$defs/Inner"}},
        "any": {},
        "amount": {"type": "string"},
    },
    "required": ["count", "ratio", "name", "day", "tags", "inners"],
    "$defs": {"Inner": INNER_SCHEMA},
}


class Inner(BaseModel):
    """Declares only, and allows no others."""

    model_config = ConfigDict(extra="forbid")

    x: int
    y: str | None = None


class Declared(BaseModel):
    """What declarations alone say, with fields that are not declared left out."""

    count: int
    limited: int = Field(0, ge=0, lt=51)
    ratio: float
    share: float = Field(0.5, ge=0, le=100)
    name: str = Field(max_length=3)
    code: str = Field("ABC", pattern="^[A-Z]{3}$")
    choice: Literal["O", "F", "P"] = "O"
    day: dt.date
    flag: bool = False
    maybe: int | None = None
    tags: list[str] = Field(max_length=3)
    inner: Inner | None = None
    inners: list[Inner]


class Strict(Declared):
    """The same, nothing converted, nothing more allowed: `open`, `any` and the like are refused."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Everything(Declared):
    """Types and code that no declaration stands for; keeps what it does not know."""

    model_config = ConfigDict(extra="allow")

    at: dt.datetime | None = None
    id: UUID | None = None
    either: int | str | None = None
    open: Annotated[dict[str, int], Field(min_length=0, max_length=2)] = {}
    any: Any = None
    amount: Decimal | None = Field(None, max_digits=8, decimal_places=2)

    @field_validator("count")
    @classmethod
    def no_twelve(cls, count: int) -> int:
        """One of the user's own rules."""
        if count == 51:
            raise ValueError("51 is taken")
        return count
