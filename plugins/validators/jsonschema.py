"""The validator `jsonschema`: the payload fits a JSON Schema (draft 2020-12, formats asserted)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import compress
from pathlib import Path
from typing import Any, Literal, NoReturn, Self

import jsonschema_rs
import msgspec
import orjson
import pyarrow as pa
import pydantic

from streamlake.engine.contracts import CONTRACT_VERSION, PluginOption
from streamlake.engine.errors import ConfigError
from streamlake.engine.records import Batch, PayloadKind, Refusal, Verdict
from streamlake.plugins.validators.arrow_types import columns_of
from streamlake.plugins.validators.column_types import Column
from streamlake.plugins.validators.columns import TableBuilder
from streamlake.plugins.validators.decode import Admitted, Gate, pieces_of, verdict_of
from streamlake.plugins.validators.fingerprint import fingerprint_of
from streamlake.plugins.validators.formats import with_strict_formats
from streamlake.plugins.validators.options import GateOptions, options_of, read_options
from streamlake.plugins.validators.schema_decoder import Decoder, decoder_of, undecided
from streamlake.plugins.validators.wording import message_of, pointer_of, shown

DRAFT = "https://json-schema.org/draft/2020-12/schema"

JsonObject = dict[str, Any]

_COMPILER = version("jsonschema_rs")  # it says it nowhere else; asked once, for that takes 7 ms
_TYPED_ROWS = 1000
_MISFITS_MAX = 2
"""Pieces. A schema whose columns never hold what its decoder makes would have everything decoded twice."""


class JsonSchemaOptions(GateOptions):
    """The options of `jsonschema`."""

    schema_: str | JsonObject = pydantic.Field(alias="schema", description="path of a JSON file, or the schema itself")
    unknown_formats: Literal["refuse", "ignore"] = pydantic.Field(
        "refuse", description="what becomes of a `format` that this validator can't check"
    )


class JsonSchemaValidator:
    """Accepts what the gate lets through and the schema allows; details are asked for the refused ones alone."""

    contract_version = CONTRACT_VERSION
    payload: PayloadKind = "json"

    def __init__(
        self, schema: JsonObject, gate: Gate, *, origin: str, ignore_unknown_formats: bool, columns: bool
    ) -> None:
        """`origin` names the schema in errors. Raises ConfigError when it can't be used."""
        self._gate, self._schema = gate, schema
        self._validator = _compiled(schema, origin, ignore_unknown_formats=ignore_unknown_formats)
        self._columns: tuple[Column, ...] | None = columns_of(schema, origin) if columns else None
        self._decoder = decoder_of(schema, gate, self._columns)
        decides = {
            "gate": repr(gate),
            "schema": schema,
            "ignore_unknown_formats": ignore_unknown_formats,
            "columns": columns,
        }
        libraries = {"orjson": orjson.__version__, "jsonschema_rs": _COMPILER, "msgspec": msgspec.__version__}
        libraries |= {"pyarrow": pa.__version__} if columns else {}
        self.fingerprint = fingerprint_of("jsonschema", decides, libraries)

    @classmethod
    def options(cls) -> Sequence[PluginOption]:
        """What its section may hold beside `type`."""
        return options_of(JsonSchemaOptions)

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, columns: bool, base_dir: Path) -> Self:
        """Make one from `schema` (a path relative to `base_dir`, or the schema itself) and the gate's options.

        Raises ConfigError on a bad option, an unreadable file, a bad schema or a `$ref` that leaves the schema.
        """
        read = read_options(JsonSchemaOptions, options, "jsonschema")
        if isinstance(read.schema_, str):
            path = base_dir / read.schema_
            schema, origin = _read(path), str(path)
        else:
            schema, origin = read.schema_, "validator.schema"
        ignore = read.unknown_formats == "ignore"
        return cls(schema, read.gate(), origin=origin, ignore_unknown_formats=ignore, columns=columns)

    def json_schema(self) -> Mapping[str, object]:
        """The schema, as it was given."""
        return self._gate.described(self._schema)

    def validate(self, batch: Batch) -> Verdict:
        """Refuse what is not JSON and what the schema does not allow, each with its first broken rule."""
        refused: dict[int, Refusal] = {}
        if self._columns is not None:
            return self._typed(batch.values, refused, TableBuilder(self._columns))
        self._ask(undecided(self._decoder, self._gate, batch.values, refused), refused)
        return verdict_of(refused)

    def _ask(self, pieces: Iterable[Admitted], refused: dict[int, Refusal]) -> None:
        """Refuse of what was admitted that which the schema does not allow."""
        for piece in pieces:
            if self._decoder is None:
                allowed = self._gate.parse(piece, self._validator.is_valid)
                if False in allowed:
                    for index, value in compress(zip(piece.indices, piece.values, strict=True), _denied(allowed)):
                        self._refuse(index, orjson.loads(value), refused)
                continue
            # What a decoder left over is mostly refused: the question for the reason is the only one then.
            for index, document in zip(piece.indices, self._gate.parse(piece), strict=True):
                if index not in refused:
                    self._judge(index, document, refused)

    def _typed(self, values: Sequence[bytes | None], refused: dict[int, Refusal], builder: TableBuilder) -> Verdict:
        """Columns of what the decoder takes, of a few hundred records at a time: while they are in the cache."""
        decoder, misfits = self._decoder, 0
        for first, piece in pieces_of(values, _TYPED_ROWS):
            indices = range(first, first + len(piece))
            if decoder is None or misfits == _MISFITS_MAX:
                self._exactly(self._gate.admit(piece, refused, indices), refused, builder)
            elif not self._quickly(decoder, indices, piece, refused, builder):
                misfits += 1
                self._exactly(self._gate.admit(piece, refused, indices), refused, builder)
        return verdict_of(refused, builder.table())

    def _quickly(
        self,
        decoder: Decoder,
        indices: Sequence[int],
        piece: Sequence[bytes | None],
        refused: dict[int, Refusal],
        builder: TableBuilder,
    ) -> bool:
        """Decide the piece by the decoder, and what is doubtful exactly.

        False, and no row is made, where a doubtful one is accepted after all, or a column can't hold a value.
        """
        if not decoder.closed and not self._harmless(piece):
            return False
        rows, positions = decoder.rows(piece)
        doubtful = [indices[at] for at in positions]
        self._ask(self._gate.admit([piece[at] for at in positions], refused, doubtful), refused)
        return all(index in refused for index in doubtful) and builder.add_rows(rows)

    def _harmless(self, piece: Sequence[bytes | None]) -> bool:
        """Whether all of the piece passes the gate, and a decoder that passes over values may see it."""
        refused: dict[int, Refusal] = {}
        return all(self._gate.readable(admitted) for admitted in self._gate.admit(piece, refused)) and not refused

    def _exactly(self, pieces: Iterable[Admitted], refused: dict[int, Refusal], builder: TableBuilder) -> None:
        """Columns of what the gate and the schema allow, document by document."""
        for piece in pieces:
            parsed = self._gate.parse(piece)
            decoded = [index not in refused for index in piece.indices]
            indices, documents = list(compress(piece.indices, decoded)), list(compress(parsed, decoded))
            allowed = list(map(self._validator.is_valid, documents))
            for index, document in compress(zip(indices, documents, strict=True), _denied(allowed)):
                self._refuse(index, document, refused)
            unfit = builder.add(list(compress(indices, allowed)), list(compress(documents, allowed)))
            refused.update((refusal.index, refusal) for refusal in unfit)

    def _refuse(self, index: int, document: object, refused: dict[int, Refusal]) -> None:
        """Say why a document that is not allowed is not."""
        self._judge(index, document, refused)
        assert index in refused, "the schema allows now what it refused a moment ago"

    def _judge(self, index: int, document: object, refused: dict[int, Refusal]) -> None:
        """Refuse a document that the schema does not allow, with the first rule that it breaks: field, rule, value."""
        try:
            self._validator.validate(document)
        except jsonschema_rs.ValidationError as error:
            # Without its frames, which hold all payloads, and the error.
            refused[index] = _refusal(index, error.with_traceback(None))


def _refusal(index: int, error: jsonschema_rs.ValidationError) -> Refusal:
    kind, path = error.kind, error.instance_path
    if isinstance(kind, _MISSING):
        path = [*path, kind.property]
    elif isinstance(kind, _UNEXPECTED):
        path = [*path, kind.unexpected[0]]
    field = pointer_of(path)
    value = f" with {shown(error.instance)}" if path is error.instance_path else ""
    message = f"{field or 'the record'} breaks `{kind.name}`{value}: {error.message}"
    return Refusal(index, "invalid", message_of(message), field)


_MISSING = jsonschema_rs.ValidationErrorKind.Required
_UNEXPECTED = (
    jsonschema_rs.ValidationErrorKind.AdditionalProperties,
    jsonschema_rs.ValidationErrorKind.UnevaluatedProperties,
)


def _denied(allowed: list[Any]) -> Iterator[bool]:
    """Which ones the schema does not allow; None stands for one that the gate refused."""
    return (answer is False for answer in allowed)


def _compiled(schema: JsonObject, origin: str, *, ignore_unknown_formats: bool) -> jsonschema_rs.Validator:
    declared = schema.get("$schema", DRAFT)
    if not isinstance(declared, str) or declared.removesuffix("#") != DRAFT:
        raise ConfigError(f"{origin}: `$schema` is {shown(declared)}; this validator speaks {DRAFT} alone.")
    options: Any = {
        "validate_formats": True,
        "ignore_unknown_formats": ignore_unknown_formats,
        "retriever": _fetch_nothing,
        "mask": "it",  # how messages call the value, which stands beside them, cut to a length
    }
    try:
        jsonschema_rs.Draft202012Validator(schema, **options)  # as it was written, so that errors name its own places
        return jsonschema_rs.Draft202012Validator(with_strict_formats(schema), **options)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise ConfigError(_unusable(origin, error)) from None


def _unusable(origin: str, error: Exception) -> str:
    """What is wrong with the schema: the place in it, the value there, and what to do."""
    message = str(getattr(error, "message", error))
    where, hint = pointer_of(getattr(error, "instance_path", ())), ""
    if "is not present in a registry" in message:
        message = message.partition(" and retrieving it failed")[0]
        hint = " A `$ref` may point into the schema itself only (`#/$defs/…`); nothing is ever fetched."
    elif "Unknown format" in message:
        message = message.partition(". Adjust")[0]
        hint = " Mend the name, or write `unknown_formats: ignore`."
    place = f" at {where} ({shown(getattr(error, 'instance', None))})" if where else ""
    return f"{origin} is no usable JSON Schema{place}: {message_of(message)}.{hint}"


def _fetch_nothing(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is not fetched")


def _read(path: Path) -> JsonObject:
    try:
        schema = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"validator.schema: {path} can't be read: {error.strerror}.") from None
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"validator.schema: {path} is not JSON: {error}.") from None
    if not isinstance(schema, dict):
        raise ConfigError(f"validator.schema: {path} holds {shown(schema)}; a schema is a JSON object.")
    return schema
