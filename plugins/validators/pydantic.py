"""The validator `pydantic`: the payload fits a pydantic model of the user's, given by its import path."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import compress, repeat
from operator import is_not
from pathlib import Path
from typing import Any, Self

import msgspec
import orjson
import pyarrow as pa
import pydantic
import pydantic_core
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails, core_schema

from streamlake.engine.contracts import CONTRACT_VERSION, PluginOption
from streamlake.engine.errors import ConfigError
from streamlake.engine.records import Batch, PayloadKind, Refusal, Verdict
from streamlake.plugins.validators.arrow_types import DECIMAL_KEYWORD, NAIVE_KEYWORD, columns_of
from streamlake.plugins.validators.column_types import Column
from streamlake.plugins.validators.columns import TableBuilder, does_not_fit
from streamlake.plugins.validators.decode import Admitted, Gate, drain, verdict_of
from streamlake.plugins.validators.fingerprint import fingerprint_of
from streamlake.plugins.validators.model_schema import declared_schema
from streamlake.plugins.validators.models import load_model, source_hashes
from streamlake.plugins.validators.options import GateOptions, options_of, read_options
from streamlake.plugins.validators.scan import may_round, rounded_integer
from streamlake.plugins.validators.schema_decoder import decoder_of, undecided
from streamlake.plugins.validators.wording import message_of, pointer_of, shown


class PydanticOptions(GateOptions):
    """The options of `pydantic`."""

    model: str = pydantic.Field(
        examples=["models:Order"],
        description="Import path of the model, `module:Class`; found by python_path or installed. Change it when what "
        "was agreed changes; `streamlake replay run` lands again what it decided wrongly.",
    )
    strict: bool | None = pydantic.Field(
        None,
        description="Convert nothing (true), or what pydantic can (false); left out, the model's own configuration "
        'holds. Change it to true where "12" for 12 is a mistake of the producer.',
    )


class PydanticValidator:
    """Accepts what the gate lets through and the model takes.

    What decides is the model's answer to orjson's normal form of a payload: so it sees one value for a duplicate key,
    and never a NaN or an infinity, which pydantic's own parser would let pass. Where no payload of a piece can hold one
    of these, the model reads the payloads as they are first, and only what it refuses then is decided by the normal
    form: of a duplicate key, pydantic's parser takes the last value, too (held by a property test). A model that only
    declares does not run at all for what its declarations surely take (`model_schema.py`).
    """

    contract_version = CONTRACT_VERSION
    payload: PayloadKind = "json"

    def __init__(
        self, model: type[pydantic.BaseModel], gate: Gate, *, strict: bool | None = None, columns: bool = False
    ) -> None:
        """`strict` None leaves it to the model's own configuration. Raises ConfigError when no columns can be made."""
        self._gate = gate
        self._model = model
        validate = model.__pydantic_validator__.validate_json
        self._call: Callable[[bytes], Any] = validate if strict is None else partial(validate, strict=strict)
        self._columns: tuple[Column, ...] | None = _columns(model) if columns else None
        declared = None if columns else declared_schema(model)
        self._decoder = None if declared is None else decoder_of(declared, gate)
        self._dump = pydantic.TypeAdapter(list[model]).dump_python  # type: ignore[valid-type]  # a class known at run time only
        decides = {
            "gate": repr(gate),
            "model": f"{model.__module__}:{model.__qualname__}",
            "schema": _schema(model),
            "sources": source_hashes(model),
            "strict": strict,
            "columns": columns,
        }
        libraries = {
            "orjson": orjson.__version__,
            "pydantic": pydantic.__version__,
            "pydantic_core": pydantic_core.__version__,
            **({"pyarrow": pa.__version__} if columns else {"msgspec": msgspec.__version__}),
        }
        self.fingerprint = fingerprint_of("pydantic", decides, libraries)

    @classmethod
    def options(cls) -> Sequence[PluginOption]:
        """What its section may hold beside `type`."""
        return options_of(PydanticOptions)

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, columns: bool, base_dir: Path) -> Self:
        """Make one from `model`, `strict` and the gate's options; `base_dir` plays no part (`python_path` does).

        Raises ConfigError on a bad option, a model that can't be imported, or one no columns can be made of.
        """
        del base_dir

        def look(given: Mapping[str, object]) -> None:
            if isinstance(model := given.get("model"), str):
                load_model(model)

        read = read_options(PydanticOptions, options, "pydantic", look)
        return cls(load_model(read.model), read.gate(), strict=read.strict, columns=columns)

    def json_schema(self) -> Mapping[str, object] | None:
        """What the model reads; None where one of its types has no JSON Schema."""
        try:
            return self._gate.described(self._model.model_json_schema())
        except pydantic.PydanticUserError:
            return None

    def validate(self, batch: Batch) -> Verdict:
        """Refuse what is not JSON and what the model does not take, each with its first error.

        What a Python validator of the model raises beside ValueError and AssertionError passes through.
        """
        refused: dict[int, Refusal] = {}
        if self._columns is not None:
            return self._typed(self._gate.admit(batch.values, refused), refused, TableBuilder(self._columns))
        for piece in undecided(self._decoder, self._gate, batch.values, refused):
            # Each model is let go at once: memory that is used again at once costs half.
            self._read(piece, lambda models: map(is_not, models, repeat(None)))
        return verdict_of(refused)

    def _typed(self, pieces: Iterator[Admitted], refused: dict[int, Refusal], builder: TableBuilder) -> Verdict:
        for piece in pieces:
            models = self._read(piece, iter)
            taken = [index not in refused for index in piece.indices]
            indices = list(compress(piece.indices, taken))
            # The columns are what the model serialises to, so a Python validator's change is in them.
            documents = self._dump(list(compress(models, taken)), mode="json", by_alias=False, warnings=False)
            if may_round(piece.values):
                indices, documents = _unrounded(refused, indices, documents, list(compress(piece.values, taken)))
            unfit = builder.add(indices, documents)
            refused.update((refusal.index, refusal) for refusal in unfit)
        return verdict_of(refused, builder.table())

    def _read(self, admitted: Admitted, kept: Callable[[Iterator[Any]], Iterator[Any]]) -> list[Any]:
        """What `kept` makes of each payload's model; None for what is refused."""

        def again(position: int, _: ValueError) -> Any:
            return next(kept(iter([self._decided(admitted, position)])))

        if not self._gate.readable(admitted) or _may_be_no_number(admitted.values):
            return list(kept(self._decided(admitted, position) for position in range(len(admitted.values))))
        return drain(kept(map(self._call, admitted.values)), again, pydantic.ValidationError)

    def _decided(self, admitted: Admitted, position: int) -> Any:
        """The model of the payload at `position`; None, and it is refused, where there is none."""
        index, payload = admitted.indices[position], admitted.values[position]
        try:
            return self._call(orjson.dumps(orjson.loads(payload)))
        except orjson.JSONDecodeError as error:
            self._gate.refuse(admitted, position, error)
        except pydantic.ValidationError as error:
            admitted.refused[index] = _refusal(index, payload, error)
        return None


def _may_be_no_number(payloads: Sequence[bytes]) -> bool:
    """Whether any of the payloads could hold one of the words that pydantic's parser takes for numbers."""
    joined = b"\0".join(payloads)
    return b"NaN" in joined or b"Infinity" in joined


def _refusal(index: int, payload: bytes, error: pydantic.ValidationError) -> Refusal:
    """The model's first error: field, rule and value."""
    details = error.errors(include_url=False, include_context=False)[0]
    field = pointer_of(_path_in(orjson.loads(payload), details))
    value = "" if details["type"] == "missing" else f" with {shown(details['input'])}"
    message = f"{field or 'the record'} breaks `{details['type']}`{value}: {details['msg']}"
    return Refusal(index, "invalid", message_of(message), field)


def _unrounded(
    refused: dict[int, Refusal], indices: list[int], documents: list[Any], values: list[bytes]
) -> tuple[list[int], list[Any]]:
    """Those in which the model made no double of an integer that a double can't hold; refuses the others.

    pydantic does so for every `float` field, without a word.
    """
    rounded = [rounded_integer(orjson.loads(value), row) for value, row in zip(values, documents, strict=True)]
    for index, number in zip(indices, rounded, strict=True):
        if number is not None:
            refused[index] = does_not_fit(index, number[0], "double", number[1])
    exact = [number is None for number in rounded]
    return list(compress(indices, exact)), list(compress(documents, exact))


def _path_in(document: object, details: ErrorDetails) -> list[str | int]:
    """Where in the document an error is: pydantic's `loc` without the names of union members and validators."""
    path: list[str | int] = []
    for step in details["loc"]:
        match document:
            case dict() if step in document:
                document = document[step]
            case list() if isinstance(step, int) and step < len(document):
                document = document[step]
            case _:
                continue
        path.append(step)
    if details["type"] == "missing":
        path.append(details["loc"][-1])
    return path


class _ColumnSchema(GenerateJsonSchema):
    """The JSON Schema of what a model serialises to, with what Arrow has to know of decimals and times beside."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """Text; with precision and scale where the model constrains both."""
        precision, scale = schema.get("max_digits"), schema.get("decimal_places")
        known = {} if precision is None or scale is None else {DECIMAL_KEYWORD: [precision, scale]}
        return {"type": "string", **known}

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        """A date-time; marked where it has no zone."""
        naive = {NAIVE_KEYWORD: True} if schema.get("tz_constraint") == "naive" else {}
        return {**super().datetime_schema(schema), **naive}


def _columns(model: type[pydantic.BaseModel]) -> tuple[Column, ...]:
    try:
        schema = model.model_json_schema(by_alias=False, mode="serialization", schema_generator=_ColumnSchema)
    except pydantic.PydanticUserError as error:
        raise ConfigError(f"model `{model.__qualname__}` has no typed columns: {message_of(error.message)}") from None
    return columns_of(schema, f"model `{model.__qualname__}`")


def _schema(model: type[pydantic.BaseModel]) -> object:
    """The model's JSON Schema; its fields where a custom type has none."""
    try:
        return model.model_json_schema()
    except pydantic.PydanticUserError:
        return {name: str(field.annotation) for name, field in model.model_fields.items()}
