"""What validators say of themselves as a JSON Schema: it allows what they accept, and the gate's rule is in it."""

from typing import Annotated, Any, cast

import jsonschema_rs
import orjson
import pytest
from hypothesis import given, settings
from pydantic import BaseModel, GetPydanticSchema
from pydantic_core import core_schema
from validators import making
from validators.cases import CASES
from validators.texts import GOOD, odd_orders

from streamlake.engine.contracts import Validator

OF_ORDERS = (making.pydantic(making.ORDER_MODEL), making.jsonschema(making.ORDER_SCHEMA))
UNSAYABLE = GetPydanticSchema(lambda _source, _handler: core_schema.is_instance_schema(bytearray))


class Unsayable(BaseModel):
    """Has a field that no JSON Schema describes."""

    raw: Annotated[Any, UNSAYABLE]


def described(validator: Validator) -> dict[str, Any]:
    """What the validator says."""
    return dict(cast("Any", validator).json_schema())


@pytest.mark.parametrize("validator", OF_ORDERS, ids=["pydantic", "jsonschema"])
def test_an_order_is_described_as_the_committed_schema_has_it(validator: Validator) -> None:
    said = {name: value for name, value in described(validator).items() if name != "$schema"}
    committed = orjson.loads((making.FOLDER / making.ORDER_SCHEMA).read_bytes())
    assert said == {name: value for name, value in committed.items() if name != "$schema"}


@pytest.mark.parametrize("validator", OF_ORDERS, ids=["pydantic", "jsonschema"])
@settings(max_examples=100, deadline=None)
@given(payload=odd_orders())
def test_an_order_that_is_accepted_fits_the_description(validator: Validator, payload: bytes) -> None:
    if not making.refused(validator, payload):
        assert jsonschema_rs.is_valid(described(validator), orjson.loads(payload))
    assert jsonschema_rs.is_valid(described(validator), GOOD)


@pytest.mark.parametrize("kind", ["json", "jsonschema", "pydantic"])
@pytest.mark.parametrize("top_level", ["object", "any"])
def test_the_top_level_is_described_as_the_gate_has_it(kind: str, top_level: str) -> None:
    validator = making.OF_JSON[kind](top_level=top_level)
    schema = described(validator)
    accepted = [
        case.payload for case in CASES if case.payload is not None and not making.refused(validator, case.payload)
    ]
    assert accepted
    assert all(jsonschema_rs.is_valid(schema, orjson.loads(payload)) for payload in accepted)
    assert jsonschema_rs.is_valid(schema, []) is (top_level == "any")


def test_a_validator_that_looks_at_nothing_describes_anything() -> None:
    assert described(making.none()) == {}


def test_a_model_without_a_json_schema_says_so() -> None:
    assert cast("Any", making.pydantic(f"{__name__}:Unsayable")).json_schema() is None
