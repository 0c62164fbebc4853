"""HTML as values: what is text is escaped, what was made here is not."""

import html
from collections.abc import Iterable


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, *inside: str, **attributes: str) -> Html:
    """An element. Attributes are named as in HTML, `class_` for `class` and `_` for `-`; an empty one has no value."""
    given = "".join(_attribute(name, value) for name, value in attributes.items())
    return Html(f"<{name}{given}>{''.join(map(_escaped, inside))}</{name}>")


def joined(parts: Iterable[str]) -> Html:
    """One after the other."""
    return Html("".join(map(_escaped, parts)))


def _attribute(name: str, value: str) -> str:
    name = name.removesuffix("_").replace("_", "-")
    return f' {name}="{html.escape(value)}"' if value else f" {name}"


def _escaped(part: str) -> str:
    return part if isinstance(part, Html) else html.escape(part, quote=False)
