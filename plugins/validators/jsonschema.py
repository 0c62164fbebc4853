"""The validator `jsonschema`: the payload fits a JSON Schema (draft 2020-12, formats asserted)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
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
from streamlake.plugins.validators.schema_file import SETTING, JsonObject, SchemaSource, read_schema
from streamlake.plugins.validators.schema_keywords import unknown_keywords
from streamlake.plugins.validators.schema_problems import DRAFT, schema_problems
from streamlake.plugins.validators.wording import message_of, pointer_of, shown

_COMPILER = version("jsonschema_rs")  # it says it nowhere else; asked once, for that takes 7 ms
_TYPED_ROWS = 1000
_MISFITS_MAX = 2
"""Pieces. A schema whose columns never hold what its decoder makes would have everything decoded twice."""


class JsonSchemaOptions(GateOptions):
    """The options of `jsonschema`."""

    schema_: str | JsonObject = pydantic.Field(
        alias="schema",
        examples=["orders.schema.json"],
        description="Path of a JSON file, relative to the (first) YAML, or the schema itself. Change it when what was "
        "agreed changes; `streamlake replay run` lands again what it decided wrongly.",
    )
    unknown_formats: Literal["refuse", "ignore"] = pydantic.Field(
        "refuse",
        description="What becomes of a `format` that this validator can't check: refuse the schema, or ignore it. "
        "Change it to ignore where formats are annotations, as OpenAPI's int64.",
    )


class JsonSchemaValidator:
    """Accepts what the gate lets through and the schema allows; details are asked for the refused ones alone."""

    contract_version = CONTRACT_VERSION
    payload: PayloadKind = "json"

    def __init__(self, source: SchemaSource, gate: Gate, *, ignore_unknown_formats: bool, columns: bool) -> None:
        """Raises ConfigError when the schema can't be used."""
        schema = source.schema
        self._gate, self._schema, self._source = gate, schema, source
        self._validator = _compiled(source, ignore_unknown_formats=ignore_unknown_formats)
        origin = str(source.file or SETTING)
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

        def look(given: Mapping[str, Any]) -> None:
            if isinstance(given.get("schema"), str | dict):
                _compiled(_source_of(given["schema"], base_dir), ignore_unknown_formats=True)

        read = read_options(JsonSchemaOptions, options, "jsonschema", look)
        source, ignore = _source_of(read.schema_, base_dir), read.unknown_formats == "ignore"
        return cls(source, read.gate(), ignore_unknown_formats=ignore, columns=columns)

    def json_schema(self) -> Mapping[str, object]:
        """The schema, as it was given."""
        return self._gate.described(self._schema)

    def warnings(self) -> Sequence[str]:
        """Words of the schema that are no keywords."""
        return list(unknown_keywords(self._source))

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


def _source_of(schema: str | JsonObject, base_dir: Path) -> SchemaSource:
    return read_schema(base_dir / schema) if isinstance(schema, str) else SchemaSource(schema)


def _compiled(source: SchemaSource, *, ignore_unknown_formats: bool) -> jsonschema_rs.Validator:
    """Raises ConfigError with everything that is wrong with the schema."""
    declared = source.schema.get("$schema", DRAFT)
    if not isinstance(declared, str) or declared.removesuffix("#") != DRAFT:
        place = source.place(["$schema"])
        raise ConfigError(f"{place}: `$schema` is {shown(declared)}; this validator speaks {DRAFT} alone.")
    compiled = partial(
        jsonschema_rs.Draft202012Validator,
        validate_formats=True,
        ignore_unknown_formats=ignore_unknown_formats,
        retriever=_fetch_nothing,
        mask="it",  # how messages call the value, which stands beside them, cut to a length
    )
    problems = list(schema_problems(source, compiled))  # of what was written, so that they name its own places
    if problems:
        raise ConfigError(*problems)
    return compiled(with_strict_formats(source.schema))


def _fetch_nothing(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is not fetched")
