"""A dead letter as a JSON document: a line of `dead list --json` and of an export."""

import base64
from typing import Any

from streamlake.engine.operations.dead_types import FoundLetter


def letter_json(found: FoundLetter) -> dict[str, Any]:
    """Everything about a letter; bytes as `{"text": …}`, or `{"base64": …}` where they are no UTF-8."""
    letter = found.letter
    return {
        "topic": letter.source.topic,
        "partition": letter.source.partition,
        "offset": letter.offset,
        "reason": letter.reason,
        "field": letter.field,
        "message": letter.message,
        "attempt": letter.attempt,
        "first_failed_at_ms": letter.first_failed_at_ms,
        "refused_at": found.refused_at.isoformat(),
        "validator": found.validator,
        "fingerprint": found.fingerprint,
        "run": found.run,
        "found_in": found.found_in,
        "truncated": found.truncated,
        "timestamp_ms": letter.timestamp_ms,
        "timestamp_type": letter.timestamp_type,
        "key": _bytes_json(letter.key),
        "headers": [{"name": name, "value": _bytes_json(value)} for name, value in letter.headers],
        "value": _bytes_json(letter.value),
    }


def _bytes_json(value: bytes | None) -> dict[str, str] | None:
    if value is None:
        return None
    try:
        return {"text": value.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}
