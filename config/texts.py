"""Takes a field's text apart: what it does, its default, and when to change it."""

import re

_TEXTS = re.compile(r"(?P<effect>.*?)(?: Default: (?P<default>.*?)\.)?(?: Change it (?P<when>.*)\.)?", re.DOTALL)


def told(description: str) -> tuple[str, str | None, str]:
    """Effect, default and the rest of `Effect. Default: what. Change it when.`; the last two may be missing."""
    found = _TEXTS.fullmatch(description)
    assert found is not None, "every part of it may be missing"
    return found["effect"], found["default"], found["when"] or ""
