"""Reads a validator's options from the YAML, and answers a bad one with what is allowed."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

import pydantic
from pydantic_core import ErrorDetails

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


def _problem(details: ErrorDetails, validator: str, known: list[str]) -> str:
    option = str(details["loc"][0]) if details["loc"] else ""
    where = f"validator.{option}"
    options = f"The options of `{validator}` are: {', '.join(known)}." if known else f"`{validator}` has no options."
    if details["type"] == "extra_forbidden":
        return f"{where} ({shown(details['input'])}): there is no such option.{nearest(option, known)} {options}"
    if details["type"] == "missing":
        return f"{where} is missing: validator `{validator}` needs it. {options}"
    return f"{where} is {shown(details['input'])}: {details['msg'][0].lower()}{details['msg'][1:]}."
