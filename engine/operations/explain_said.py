"""What `streamlake explain` says: sentences, each with the settings that decide it and their values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamlake.config.kinds import value_at
from streamlake.config.model import PipelineConfig
from streamlake.engine.registry import add_python_path, sink_class, validator_class


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, or two that belong together; `settings` are values by path, as a YAML would have them."""

    text: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Chapter:
    """Sentences under a title."""

    title: str
    sentences: Sequence[Sentence]


class Told:
    """A pipeline, asked for its values: those of the YAML, and a plugin's own default where it has none."""

    def __init__(self, config: PipelineConfig) -> None:
        """Raises ConfigError where a plugin is not there, or refuses its options."""
        add_python_path(config.python_path)
        sink, validator = sink_class(config.sink.type), validator_class(config.validator.type)
        sink.from_options(config.sink.options, base_dir=config.base_dir)
        self.config = config
        self._options = {
            "sink": _defaults(sink) | _flat(config.sink.options),
            "validator": _defaults(validator) | _flat(config.validator.options),
        }
        self.validator = validator.from_options(
            config.validator.options, columns=self.value("sink.columns") == "typed", base_dir=config.base_dir
        )

    def say(self, text: str, *paths: str) -> Sentence:
        """A sentence that is decided by the settings at `paths`."""
        return Sentence(text, {path: self.value(path) for path in paths})

    def value(self, path: str) -> str:
        """A setting's value as a YAML has it."""
        section, _, option = path.partition(".")
        if section in self._options and option != "type":
            return self._option(section, option)
        if path == "kafka.topics":
            return ", ".join(self.config.kafka.topic_names)
        return value_at(self.config, path)

    def _option(self, section: str, name: str) -> str:
        """A plugin's option, "none" where it has neither a value nor a default."""
        value = self._options[section].get(name)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, Mapping):
            return "(in the YAML)"
        return "none" if value in (None, "") else str(value)


def _flat(options: Mapping[str, object]) -> dict[str, object]:
    """The options of a section in the plugin's own (`gcs`) by their paths, too."""
    inner = {
        f"{name}.{key}": value
        for name, section in options.items()
        if isinstance(section, Mapping)
        for key, value in section.items()
    }
    return {**options, **inner}


def _defaults(plugin: type) -> dict[str, object]:
    tell = getattr(plugin, "options", None)
    return {} if tell is None else {option.name: option.default for option in tell()}
