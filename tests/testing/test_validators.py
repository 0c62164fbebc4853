"""Our own validators pass the public suite, check by check, in each way that they can be asked."""

from dataclasses import dataclass, field

import pytest
from pydantic import BaseModel

from streamlake.engine.contracts import Validator
from streamlake.engine.testing import VALIDATOR_CHECKS, Check, ValidatorBench, check_validator
from streamlake.plugins.validators.json import JsonValidator
from streamlake.plugins.validators.jsonschema import JsonSchemaValidator
from streamlake.plugins.validators.none import NoneValidator
from streamlake.plugins.validators.pydantic import PydanticValidator


class Payment(BaseModel):
    """What the model accepts."""

    id: int
    amount: float | None = None
    tags: list[str] = []


SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer"},
        "amount": {"type": ["number", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}
GOOD = (b'{"id": 1}', b'{"id":2,"amount":1.5,"tags":["a","\xc3\xbc"]}', b' {"tags": [], "id": 3} ')
BAD = (b'{"id": "x"}', b'{"amount": 1}', b'{"id": 1, "tags": [1]}', b'{"id": 1')


@dataclass(frozen=True)
class Way:
    """A validator, and how it is asked."""

    validator: type[Validator]
    options: dict[str, object] = field(default_factory=dict)
    refused: tuple[bytes, ...] = BAD
    columns: bool = False


WAYS = {
    "none": Way(NoneValidator, refused=()),
    "json": Way(JsonValidator, refused=BAD[-1:]),
    "json, any": Way(JsonValidator, {"top_level": "any", "depth_max": 200}, BAD[-1:]),
    "jsonschema": Way(JsonSchemaValidator, {"schema": SCHEMA}),
    "jsonschema, typed": Way(JsonSchemaValidator, {"schema": SCHEMA}, columns=True),
    "pydantic": Way(PydanticValidator, {"model": f"{__name__}:Payment"}),
    "pydantic, strict": Way(PydanticValidator, {"model": f"{__name__}:Payment", "strict": True}),
    "pydantic, typed": Way(PydanticValidator, {"model": f"{__name__}:Payment"}, columns=True),
}


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("check", VALIDATOR_CHECKS, ids=str)
def test_our_validators_keep_the_contract(check: Check[ValidatorBench], name: str, way: str) -> None:
    asked = WAYS[name]
    check_validator(
        asked.validator, asked.options, accepted=GOOD, refused=asked.refused, columns=asked.columns, checks=[check]
    )
