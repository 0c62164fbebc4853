"""How a check names what it looks at: a record's own column, or a field of its payload by name, pointer or path."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator

OWN_COLUMNS = ("_partition", "_offset", "_timestamp", "_timestamp_type", "_key")
"""What a record has beside its payload, as files call it."""

_POINTER = re.compile(r"(/([^~/]|~[01])+)+")
_PATH_STEP = re.compile(r"""\.(?P<name>[^.\[\]"'\s]+)|\."(?P<quoted>[^"]+)"|\[(?P<index>[0-9]+)\]""")
_NAME = re.compile(r"[^/$_.\[\]\"'\s][^/.\[\]\"']*")

KNOWN = (
    "a field's name (order_id), a JSON pointer (/customer/id), a path ($.customer.id, $ alone is the whole payload), "
    f"or one of {', '.join(OWN_COLUMNS)}"
)


@dataclass(frozen=True, slots=True)
class ColumnPath:
    """What a check looks at: `own`, one of OWN_COLUMNS, or where `steps` lead in the payload; none is all of it."""

    own: str | None
    steps: tuple[str, ...] = ()

    @property
    def pointer(self) -> str:
        """`steps` as a JSON pointer (RFC 6901); "" for the whole payload."""
        return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in self.steps)


def parse_column(text: str) -> ColumnPath:
    """`order_id`, `/customer/id`, `$.customer.id`, `$.items[0].sku`, `_offset`. Raises ValueError."""
    if text.startswith("_"):
        if text not in OWN_COLUMNS:
            near = get_close_matches(text, OWN_COLUMNS, 1)
            hint = f"did you mean {near[0]}?" if near else f"a payload's field that begins with _ is written /{text}"
            raise ValueError(f"is none of a record's own columns, {', '.join(OWN_COLUMNS)}; {hint}")
        return ColumnPath(text)
    if text.startswith("/") and _POINTER.fullmatch(text):
        return ColumnPath(None, tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/")))
    if text.startswith("$"):
        steps = list(_PATH_STEP.finditer(text, 1))
        if "".join(["$", *(step[0] for step in steps)]) == text:
            return ColumnPath(None, tuple(step["name"] or step["quoted"] or step["index"] for step in steps))
    elif _NAME.fullmatch(text):
        return ColumnPath(None, (text,))
    raise ValueError(f"names no column: it must be {KNOWN}")


def column_name(text: str) -> str:
    """`text`, when it names a column. Raises ValueError."""
    parse_column(text)
    return text


ColumnName = Annotated[str, AfterValidator(column_name)]
