"""The second step of `streamlake validate`: plugins, models and paths, of as much of a YAML as could be read."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from pydantic import SecretStr, TypeAdapter, ValidationError

from streamlake.config.model import PipelineConfig
from streamlake.config.partly import Readable
from streamlake.config.quality import Relationships
from streamlake.config.values import Pem
from streamlake.engine.errors import ConfigError
from streamlake.engine.kafka.security import CERTIFICATE, KEY, pem_text
from streamlake.engine.kafka.settings import check_properties
from streamlake.engine.registry import add_python_path, validator_class
from streamlake.engine.validator_trial import runs_foreign_code, try_apart, try_validator
from streamlake.engine.worker_main import make_sink, make_validator

Check = tuple[tuple[str, ...], Callable[[PipelineConfig], object]]
"""The sections that it needs, and what raises ConfigError where they can't be used."""


def plugin_problems(read: Readable, more: Sequence[Check] = ()) -> list[str]:
    """A sentence for each thing that a plugin, a model, librdkafka or a path refuses; touches no storage.

    Each begins with the path of its setting. `more` are checks of parts that nobody may import here.
    """
    problems = [*_path_problems(read), *_certificate_problems(read)]
    if read.has("python_path"):
        add_python_path(read.config.python_path)
    for sections, check in (*_checks(), *more):
        if not read.has(*sections):
            continue
        try:
            check(read.config)
        except ConfigError as error:
            problems += error.problems
    return list(dict.fromkeys(problems))  # a stream says again what is wrong with the pipeline's own validator


def validator_warnings(read: Readable) -> list[str]:
    """What a validator of ours warns of, a sentence each that begins with the path of its setting."""
    if not read.has("python_path", "validator", "sink"):
        return []
    try:
        if runs_foreign_code(read.config.validator):
            return []
        warn: Callable[[], Sequence[str]] | None = getattr(make_validator(read.config), "warnings", None)
    except ConfigError:  # a problem, which was said
        return []
    return [] if warn is None else list(warn())


def _checks() -> Sequence[Check]:
    return ((("kafka",), _properties), (("python_path", "validator"), _validator), (("sink",), make_sink))


def _path_problems(read: Readable) -> Iterator[str]:
    for index, folder in enumerate(read.config.python_path if read.has("python_path") else ()):
        if not folder.is_dir():
            yield f"python_path[{index}]: {folder} is no folder; relative ones start where the YAML is"
    quality = read.config.quality if read.has("quality") else None
    for index, check in enumerate(quality.checks if quality else ()):
        if isinstance(check, Relationships) and not Path(check.to).is_file():
            yield f"quality.checks[{index}].to: there is no file {check.to}; it is the other pipeline's YAML"


def _validator(config: PipelineConfig) -> None:
    """The validator; where the sink could not be read, nobody knows whether it has to make columns."""
    if "sink" in config.model_fields_set:
        try_validator(config)
    elif runs_foreign_code(config.validator):
        try_apart(partial(_without_columns, config))
    else:
        _without_columns(config)


def _without_columns(config: PipelineConfig) -> None:
    add_python_path(config.python_path)
    section = config.validator
    validator_class(section.type).from_options(section.options, columns=False, base_dir=config.base_dir)


def _properties(config: PipelineConfig) -> None:
    """Let librdkafka look at its own, again without each that it refuses: it names one alone."""
    kafka, problems = config.kafka, list[str]()
    while True:
        try:
            check_properties(kafka)
            break
        except ConfigError as error:
            if not str(error).startswith("kafka.properties: "):  # a certificate's, which was looked at before
                problems += error.problems
                break
            refused = next((name for name in kafka.properties if f'"{name}"' in str(error)), None)
            text = str(error).removeprefix("kafka.properties: ")
            where = "kafka.properties" if refused is None else f"kafka.properties.{refused}"
            problems.append(f"{where}: {text}; its CONFIGURATION.md has names and values")
            if refused is None:
                break
            left = {name: value for name, value in kafka.properties.items() if name != refused}
            kafka = kafka.model_copy(update={"properties": left})
    if problems:
        raise ConfigError(*problems)


def _certificate_problems(read: Readable) -> Iterator[str]:
    """What is wrong with the files of a `kafka.security` that was left out, for what else is wrong there."""
    left_out = read.left_out.get(("kafka", "security"))
    if not isinstance(left_out, Mapping):
        return
    for name, kind in (("ca", CERTIFICATE), ("certificate", CERTIFICATE), ("key", KEY)):
        with contextlib.suppress(ValidationError):  # the first step has said it
            source = _PEM.validate_python(left_out.get(name), context={"base_dir": read.config.base_dir})
            try:
                pem_text(source, kind)
            except ConfigError as error:
                yield from (f"kafka.security.{name}: {problem}" for problem in error.problems)


_PEM: TypeAdapter[Path | SecretStr] = TypeAdapter(Pem)
