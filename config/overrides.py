"""`--set path=value`: settings from the command line, put into the YAML's values before variables are filled in."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from streamlake.config.document import Document, items_by_name, parse_value
from streamlake.config.values import Loc
from streamlake.engine.errors import ConfigError

_STEP = re.compile(r"\.?(?P<key>[^.\[\]=]+)|\[(?P<item>[^\]]*)\]")
_DOTTED_KEYS = {"config", "properties"}
"""Below these a dot belongs to the key: `kafka.properties.fetch.max.bytes=…`."""


def apply_overrides(document: Document, overrides: Sequence[str]) -> None:
    """Put each `path=value` into `document`, in place and in order. Raises ConfigError naming every bad one.

    Steps of a path are keys (`sink.root`), list items by their name or number (`kafka.topics[orders].partitions`),
    and keys with dots in brackets. The value is read as YAML: `8` is a number, `[a, b]` a list.
    """
    problems: list[str] = []
    for override in overrides:
        try:
            _apply(document, override)
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(*problems)


def _apply(document: Document, override: str) -> None:
    path, equals, text = override.partition("=")
    where = f"--set {path}"
    if not equals or not path:
        raise ConfigError(f"--set {override}: must be path=value, as in sink.root=file:///data")
    steps = _steps(path, where)
    value = parse_value(text, where)
    parent: object = document.tree
    loc: Loc = ()
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        key = _resolve(parent, step, where)
        loc = (*loc, key)
        if following is None:
            _put(parent, key, value, where)
        else:
            parent = _descend(parent, key, where)
        if following is None or loc not in document.values:
            document.keys[loc] = document.values[loc] = where


def _steps(path: str, where: str) -> list[str]:
    steps: list[str] = []
    position = 0
    while position < len(path):
        if steps and steps[-1] in _DOTTED_KEYS and path[position] == ".":
            steps.append(path[position + 1 :])
            break
        match = _STEP.match(path, position)
        if match is None or (position == 0 and path[0] in ".["):
            raise ConfigError(f"{where}: is no path: write it as in kafka.topics[orders].partitions")
        steps.append(match["key"] if match["key"] is not None else match["item"])
        position = match.end()
    return steps


def _resolve(parent: object, step: str, where: str) -> str | int:
    if not isinstance(parent, list):
        return step
    numbers = {name: index for index, name in items_by_name(parent)}
    if step in numbers:
        return numbers[step]
    if step.isdecimal() and int(step) < len(parent):
        return int(step)
    near = get_close_matches(step, numbers, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(numbers) or len(parent)}"
    raise ConfigError(f"{where}: there is no item {step}; {hint}")


def _descend(parent: object, key: str | int, where: str) -> object:
    """What stands at `key`; a mapping that is not there yet is made."""
    if isinstance(parent, dict):
        if parent.get(key) is None:
            parent[key] = {}
        return parent[key]
    if isinstance(parent, list) and isinstance(key, int):
        return parent[key]
    raise ConfigError(f"{where}: {key} can't be set: what stands above it is a single value")


def _put(parent: object, key: Any, value: object, where: str) -> None:
    if isinstance(parent, dict | list):
        parent[key] = value
    else:
        raise ConfigError(f"{where}: {key} can't be set: what stands above it is a single value")
