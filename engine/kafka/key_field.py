"""A record's key out of its JSON value: for whoever writes records that do not bring one."""

import orjson

from streamlake.engine.errors import UsageError


class KeyField:
    """Takes a record's key out of its JSON value, by JSON pointer (RFC 6901)."""

    def __init__(self, pointer: str) -> None:
        """Raises UsageError where `pointer` is none."""
        if not pointer.startswith("/"):
            raise UsageError(f"--key-field {pointer}: must be a JSON pointer, as in /customer_id")
        self._steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]

    def __call__(self, value: bytes) -> bytes | None:
        """Text as UTF-8, a number as written in JSON; None for anything else, and for a value that is not JSON."""
        try:
            found = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
        for step in self._steps:
            found = _below(found, step)
        if isinstance(found, str):
            return found.encode()
        return orjson.dumps(found) if isinstance(found, int | float) else None


def _below(value: object, step: str) -> object:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        return value[int(step)]
    return None
