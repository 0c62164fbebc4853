"""`--set path=value`: settings from the command line, put into the YAML's values before variables are filled in."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from streamlake.config.document import OVERRIDES, Document, Place, Problem, items_by_name, parse_value
from streamlake.config.secrets import open_secrets, shown_name
from streamlake.config.values import Loc

_STEP = re.compile(r"\.?(?P<key>[^.\[\]=]+)|\[(?P<item>[^\]]*)\]")
_NO_MAPPING = "what stands above it is a single value"
_DOTTED_KEYS = {"config", "properties"}
"""Below these a dot belongs to the key: `kafka.properties.fetch.max.bytes=…`."""


def apply_overrides(document: Document, overrides: Sequence[str]) -> None:
    """Put each `path=value` into `document`, in place and in order; a bad one is among its problems.

    Steps of a path are keys (`sink.root`), list items by their name or number (`kafka.topics[orders].partitions`),
    and keys with dots in brackets. The value is read as YAML: `8` is a number, `[a, b]` a list. A relative path in it
    starts where those of the first file do.
    """
    for override in overrides:
        path, equals, text = override.partition("=")
        whole = bool(equals and path)
        place = Place(OVERRIDES, 0, 0, f"--set {shown_name(path if whole else override)}", document.top.folder)
        if not whole:
            document.problems.append(Problem(place, "must be path=value, as in sink.root=file:///data"))
            continue
        try:
            _apply(document, path, text, place)
            document.overrides.append(override)
        except ValueError as error:
            document.problems.append(Problem(place, str(error)))


def _apply(document: Document, path: str, text: str, place: Place) -> None:
    steps = _steps(path)
    value = parse_value(text, place)
    for secret in open_secrets(path, value):
        # Refused, not warned of: a warning comes when the process list and the shell's history have it, every time.
        raise ValueError(
            f"{shown_name(secret)} is a secret, and on the command line it is seen by everybody on this machine, and "
            "kept by the shell: give '${file:PATH}' or '${VARIABLE}' as its value, in single quotes"
        )
    parent: object = document.tree
    loc: Loc = ()
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        key = _resolve(parent, step)
        loc = (*loc, key)
        if following is None:
            _put(parent, key, value)
            document.unread.discard(loc)
        else:
            parent = _descend(parent, key)
        if following is None or loc not in document.values:
            document.keys[loc] = document.values[loc] = place


def _steps(path: str) -> list[str]:
    steps: list[str] = []
    position = 0
    while position < len(path):
        if steps and steps[-1] in _DOTTED_KEYS and path[position] == ".":
            steps.append(path[position + 1 :])
            break
        match = _STEP.match(path, position)
        if match is None or (position == 0 and path[0] in ".["):
            raise ValueError("is no path: write it as in kafka.topics[orders].partitions")
        steps.append(match["key"] if match["key"] is not None else match["item"])
        position = match.end()
    return steps


def _resolve(parent: object, step: str) -> str | int:
    if not isinstance(parent, list):
        return step
    numbers = {name: index for index, name in items_by_name(parent)}
    if step in numbers:
        return numbers[step]
    if step.isdecimal() and int(step) < len(parent):
        return int(step)
    near = get_close_matches(step, numbers, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(numbers) or len(parent)}"
    raise ValueError(f"there is no item {step}; {hint}")


def _descend(parent: object, key: str | int) -> object:
    """What stands at `key`; a mapping that is not there yet is made."""
    if isinstance(parent, dict):
        if parent.get(key) is None:
            parent[key] = {}
        return parent[key]
    if isinstance(parent, list) and isinstance(key, int):
        return parent[key]
    raise ValueError(f"{key} can't be set: {_NO_MAPPING}")


def _put(parent: object, key: Any, value: object) -> None:
    if isinstance(parent, dict | list):
        parent[key] = value
    else:
        raise ValueError(f"{key} can't be set: {_NO_MAPPING}")  # noqa: TRY004  # a user's mistake, not a caller's
