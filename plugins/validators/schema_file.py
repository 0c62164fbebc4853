"""Reads a JSON Schema from its file, and says of each place in it which line and column that is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from streamlake.engine.errors import ConfigError
from streamlake.plugins.validators.wording import pointer_of, shown

JsonObject = dict[str, Any]

SETTING = "validator.schema"
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')


@dataclass(frozen=True, slots=True)
class SchemaSource:
    """A schema, and where it was written: `file` is None where it stands in the YAML itself."""

    schema: JsonObject
    file: Path | None = None
    text: str = ""

    def place(self, path: Sequence[str | int]) -> str:
        """How a problem at `path` of the schema begins, without the colon."""
        if self.file is None:  # as a place of the YAML, of which whoever read it knows the line
            return SETTING + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
        line, column = place_in(self.text, path)
        where = pointer_of(path)
        return f"{SETTING}: {self.file}:{line}:{column}" + (f": {where}" if where else "")


def read_schema(file: Path) -> SchemaSource:
    """The schema in `file`. Raises ConfigError, with line and column where it is no JSON."""
    try:
        data = file.read_bytes()
        schema = orjson.loads(data)
    except OSError as error:
        raise ConfigError(f"{SETTING}: {file} can't be read: {error.strerror}.") from None
    except orjson.JSONDecodeError as error:
        said = error.msg.partition(": line ")[0]
        raise ConfigError(f"{SETTING}: {file}:{error.lineno}:{error.colno}: is not JSON: {said}.") from None
    if not isinstance(schema, dict):
        raise ConfigError(f"{SETTING}: {file} holds {shown(schema)}; a schema is a JSON object.")
    return SchemaSource(schema, file, data.decode())


def place_in(text: str, path: Sequence[str | int]) -> tuple[int, int]:
    """Line and column, from 1, of the value at `path` in a JSON text; of the last one, where a key comes twice."""
    here: list[str | int] = []  # the path of the value that comes next
    found, key_next = 0, False
    for match in _PART.finditer(text):
        part = match[0]
        if part in {"]", "}"}:
            here.pop()
            key_next = False
        elif part == ",":
            key_next = not isinstance(here[-1], int)
            here[-1] = "" if key_next else int(here[-1]) + 1
        elif key_next:
            here[-1] = orjson.loads(part)
            key_next = False
        elif part != ":":
            found = match.start() if here == list(path) else found
            if part in {"[", "{"}:
                key_next = part == "{"
                here.append("" if key_next else 0)
    begun = text[:found]
    return begun.count("\n") + 1, found - begun.rfind("\n")
