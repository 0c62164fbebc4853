"""Reads a validator's options from the YAML, and answers a bad one with what is allowed."""

import difflib
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin

import pydantic
from pydantic_core import ErrorDetails

from streamlake.engine.contracts import PluginOption
from streamlake.engine.errors import ConfigError
from streamlake.plugins.validators.decode import DEPTH_MAX_DEFAULT, DEPTH_MAX_LIMIT, Gate, TopLevel
from streamlake.plugins.validators.wording import shown


class NoOptions(pydantic.BaseModel):
    """The options of a validator that has none; every other options model starts here."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)


class GateOptions(NoOptions):
    """What every validator of JSON can be told."""

    depth_max: int = pydantic.Field(
        DEPTH_MAX_DEFAULT, ge=1, le=DEPTH_MAX_LIMIT, description="how many levels arrays and objects may nest"
    )
    top_level: TopLevel = pydantic.Field("object", description="what the payload itself may be")

    def gate(self) -> Gate:
        """The gate these options describe."""
        return Gate(self.depth_max, self.top_level)


def options_of(kind: type[NoOptions]) -> Sequence[PluginOption]:
    """The options of a model as `streamlake plugins` shows them, its own before those that it has in common."""
    own = sorted(kind.model_fields.items(), key=lambda field: field[0] in GateOptions.model_fields)
    return [
        PluginOption(
            field.alias or name,
            _type_in_words(field.annotation),
            None if field.is_required() else _default_in_words(field.default),
            field.description or "",
        )
        for name, field in own
    ]


OptionsT = TypeVar("OptionsT", bound=NoOptions)


def read_options(kind: type[OptionsT], options: Mapping[str, object], validator: str) -> OptionsT:
    """`options` as `kind`; raises ConfigError with one sentence for every bad, missing or unknown option."""
    try:
        return kind.model_validate(dict(options))
    except pydantic.ValidationError as error:
        known = [field.alias or name for name, field in kind.model_fields.items()]
        raise ConfigError(*dict.fromkeys(_problem(details, validator, known) for details in error.errors())) from None


def no_columns(validator: str) -> ConfigError:
    """What a validator that knows no types answers to `columns: typed`."""
    return ConfigError(
        f"validator `{validator}` can't make columns: typed columns need jsonschema or pydantic "
        "(or write `columns: envelope` or `value` for the sink)"
    )


def nearest(word: str, known: list[str]) -> str:
    """` Did you mean …?` for a near miss, with a blank before it; else nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" Did you mean `{close[0]}`?" if close else ""


WORDS = {str: "text", int: "number", bool: "true | false", dict: "mapping"}


def _type_in_words(annotation: Any) -> str:
    """`int` is a number, a Literal its values, a union what it may be; None (left out) is told by the default."""
    origin = get_origin(annotation) or annotation
    if origin is Literal:
        return " | ".join(map(str, get_args(annotation)))
    if origin in WORDS:
        return WORDS[origin]
    return " | ".join(_type_in_words(part) for part in get_args(annotation) if part is not NoneType)


def _default_in_words(default: object) -> str:
    return "" if default is None else str(default)


def _problem(details: ErrorDetails, validator: str, known: list[str]) -> str:
    option = str(details["loc"][0]) if details["loc"] else ""
    where = f"validator.{option}"
    options = f"The options of `{validator}` are: {', '.join(known)}." if known else f"`{validator}` has no options."
    if details["type"] == "extra_forbidden":
        return f"{where} ({shown(details['input'])}): there is no such option.{nearest(option, known)} {options}"
    if details["type"] == "missing":
        return f"{where} is missing: validator `{validator}` needs it. {options}"
    return f"{where} is {shown(details['input'])}: {details['msg'][0].lower()}{details['msg'][1:]}."
