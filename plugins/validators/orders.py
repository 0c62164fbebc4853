"""The sample model: an order with its line items.

`python -m streamlake.plugins.validators.orders` prints its schema.

The model is the source; `orders.schema.json` beside it is generated from it, and a test holds the two equal.
"""

import datetime as dt
import json
import sys
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetPydanticSchema, WithJsonSchema
from pydantic_core import core_schema

Currency = Literal["USD", "EUR", "GBP", "JPY", "CHF"]
Priority = Literal["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"]

# pydantic alone also reads seconds since 1970 from a string of digits, and JSON Schema allows the year 0.
IsoDate = Annotated[
    dt.date,
    GetPydanticSchema(
        lambda _source, _handler: core_schema.chain_schema(
            [
                core_schema.str_schema(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$", strict=True),
                core_schema.date_schema(strict=False),
            ]
        )
    ),
    WithJsonSchema({"type": "string", "format": "date", "not": {"pattern": "^0000"}}),
]


class Item(BaseModel):
    """One line of an order; `price` is in the order's currency."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sku: int = Field(gt=0)
    qty: int = Field(ge=1, le=50)
    price: float = Field(ge=0)


class Order(BaseModel):
    """One order. Unknown fields are refused, and nothing is converted: `"12"` is no number, `true` is not 1."""

    model_config = ConfigDict(extra="forbid", strict=True)

    order_id: int = Field(gt=0)
    customer_id: int = Field(gt=0)
    status: Literal["O", "F", "P"]
    currency: Currency
    total: float = Field(ge=0)
    ordered_at: IsoDate
    priority: Priority
    items: list[Item] = Field(min_length=1)


def order_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `Order`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Order.model_json_schema()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(order_schema(), indent=2) + "\n")
