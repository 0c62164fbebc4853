"""Reads a validator's options from the YAML, and answers a bad one with what is allowed."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin

import pydantic
from pydantic.fields import FieldInfo

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
        DEPTH_MAX_DEFAULT,
        ge=1,
        le=DEPTH_MAX_LIMIT,
        description="How many levels arrays and objects may nest. Change it where your records nest deeper.",
    )
    top_level: TopLevel = pydantic.Field(
        "object",
        description="What the payload itself may be. Change it to any where arrays, texts or numbers alone are "
        "records, too.",
    )

    def gate(self) -> Gate:
        """The gate these options describe."""
        return Gate(self.depth_max, self.top_level)


def options_of(kind: type[NoOptions]) -> Sequence[PluginOption]:
    """The options of a model as `streamlake plugins` shows them, its own before those that it has in common."""
    own = sorted(kind.model_fields.items(), key=lambda field: field[0] in GateOptions.model_fields)
    return [
        PluginOption(
            field.alias or name,
            _type_in_words(field.annotation) + _limits_in_words(field.metadata),
            None if field.is_required() else _default_in_words(field.default),
            field.description or "",
        )
        for name, field in own
    ]


OptionsT = TypeVar("OptionsT", bound=NoOptions)


def read_options(
    kind: type[OptionsT],
    options: Mapping[str, object],
    validator: str,
    look: Callable[[Mapping[str, object]], object] = lambda _: None,
) -> OptionsT:
    """`options` as `kind`; raises ConfigError with one sentence for every bad, missing or unknown option.

    `look` says by a ConfigError what is wrong with what an option names, where others are wrong, too: else a file that
    is not there would only be found when the last option is right.
    """
    try:
        return kind.model_validate(dict(options))
    except pydantic.ValidationError as error:
        problems = list(_problems(error, kind, validator))
    try:
        look(options)
    except ConfigError as error:
        problems += error.problems
    raise ConfigError(*dict.fromkeys(problems))


def no_columns(validator: str) -> ConfigError:
    """What a validator that knows no types answers to `columns: typed`."""
    return ConfigError(
        f"validator `{validator}` can't make columns: typed columns need jsonschema or pydantic "
        "(or write `columns: envelope` or `value` for the sink)"
    )


def nearest(word: str, known: list[str], *, cutoff: float = 0.6) -> str:
    """` Did you mean …?` for a near miss, with a blank before it; else nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=cutoff)
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


def _limits_in_words(metadata: Sequence[Any]) -> str:
    """`, 1 to 200` for a number that has limits."""
    least, most = (
        next((getattr(part, name) for part in metadata if hasattr(part, name)), None) for name in ("ge", "le")
    )
    return "" if least is None or most is None else f", {least} to {most}"


def _default_in_words(default: object) -> str:
    return "" if default is None else str(default)


def _problems(error: pydantic.ValidationError, kind: type[NoOptions], validator: str) -> Iterator[str]:
    fields = {field.alias or name: field for name, field in kind.model_fields.items()}
    options = f"The options of `{validator}` are: {', '.join(fields)}." if fields else f"`{validator}` has no options."
    for details in error.errors():
        option = str(details["loc"][0]) if details["loc"] else ""
        where = f"validator.{option}"
        if details["type"] == "extra_forbidden":
            hint = nearest(option, list(fields))
            yield f"{where} ({shown(details['input'])}): there is no such option.{hint} {options}"
        elif details["type"] == "missing":
            yield f"{where} is missing: validator `{validator}` needs it.{_example(option, fields[option])} {options}"
        elif details["type"].endswith("_type"):  # of a union each member says so: all of them in one sentence
            words = _type_in_words(fields[option].annotation).split(" | ")
            meant = " or ".join(_MEANT.get(word, word) for word in words)
            yield f"{where} is {shown(details['input'])}: it must be {meant}.{_example(option, fields[option])}"
        else:
            yield f"{where} is {shown(details['input'])}: {details['msg'][0].lower()}{details['msg'][1:]}."


_MEANT = {"number": "a number", "mapping": "a mapping"}


def _example(option: str, field: FieldInfo) -> str:
    """` For instance schema: orders.schema.json.`, with a blank before it, where the option has an example."""
    return f" For instance {option}: {field.examples[0]}." if field.examples else ""
