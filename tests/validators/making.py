"""Validators for tests, made as the engine makes them: from options."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import RootModel
from support.batches import batch_of

from streamlake.engine.contracts import Validator
from streamlake.engine.records import Refusal
from streamlake.plugins.validators.json import JsonValidator
from streamlake.plugins.validators.jsonschema import JsonSchemaValidator
from streamlake.plugins.validators.none import NoneValidator
from streamlake.plugins.validators.pydantic import PydanticValidator

FOLDER = Path(__file__).parent.parent.parent / "plugins" / "validators"
ORDER_MODEL = "streamlake.plugins.validators.orders:Order"
ORDER_SCHEMA = "orders.schema.json"


class Anything(RootModel[Any]):
    """Takes whatever JSON there is: only the gate refuses."""


def none(**options: object) -> NoneValidator:
    """The validator `none`."""
    return NoneValidator.from_options(options, columns=False, base_dir=FOLDER)


def json_(**options: object) -> JsonValidator:
    """The validator `json`."""
    return JsonValidator.from_options(options, columns=False, base_dir=FOLDER)


def jsonschema(schema: object = None, *, columns: bool = False, **options: object) -> JsonSchemaValidator:
    """The validator `jsonschema`, by default of a schema that allows everything."""
    return JsonSchemaValidator.from_options({"schema": schema or {}, **options}, columns=columns, base_dir=FOLDER)


def pydantic(model: str = f"{__name__}:Anything", *, columns: bool = False, **options: object) -> PydanticValidator:
    """The validator `pydantic`, by default of a model that takes everything."""
    return PydanticValidator.from_options({"model": model, **options}, columns=columns, base_dir=FOLDER)


OF_JSON: Mapping[str, Callable[..., Validator]] = {"json": json_, "jsonschema": jsonschema, "pydantic": pydantic}


def refused(validator: Validator, *payloads: bytes | None) -> Sequence[Refusal]:
    """What a validator refuses of one batch."""
    return validator.validate(batch_of(payloads)).refused


def table_of(validator: Validator, *payloads: bytes) -> pa.Table:
    """The typed columns of one batch, checked in full against their own schema."""
    table = validator.validate(batch_of(payloads)).columns
    assert isinstance(table, pa.Table)
    table.validate(full=True)
    return table
