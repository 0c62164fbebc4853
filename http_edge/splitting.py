"""A body taken apart into records: the bytes of each as they were sent."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from streamlake.http_edge.bodies import too_large
from streamlake.http_edge.problems import ProblemError

JSON_SPACE = b" \t\r\n"
EMPTY_LINES_FREE = 10
"""So many lines for each record that may be sent, empty ones included."""
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


def split_json(body: bytes, limit: int) -> Sequence[bytes]:
    """The elements of an array, or the one value that is there: the space around each is not part of it.

    Whether a value is JSON is the validator's to say, and of an array it has to be known before. Raises ProblemError,
    also for more than `limit` elements: before they are made, for a few MiB may hold millions.
    """
    value = body.strip(JSON_SPACE)
    if not value:
        raise _empty()
    if not value.startswith(b"["):
        return [value]
    try:
        if value.count(b",") < limit:
            records = [bytes(record) for record in _ARRAY.decode(value)]
        else:
            found = msgspec.structs.astuple(_at_most(limit).decode(value))
            records = [record for record in map(bytes, found) if record]
    except msgspec.ValidationError:
        raise too_large(f"the body has more than {limit} records", limit) from None
    except RecursionError:
        raise ProblemError("malformed", "the body is an array that nests too deep to be taken apart") from None
    except msgspec.DecodeError as error:
        said = str(error).removeprefix("JSON is malformed: ")
        hint = "send records as lines (application/x-ndjson), and a broken one does not stop the others"
        raise ProblemError("malformed", f"the body begins as a JSON array and is none: {said}; {hint}") from None
    if not records:
        raise _empty()
    return records


@cache
def _at_most(limit: int) -> msgspec.json.Decoder[Any]:
    """Decodes an array, and fails at once where it has more elements than `limit`, which a list does at its end.

    It makes an object with a field for each element; where an element is missing the field is empty.
    """
    fields = [(f"r{number}", msgspec.Raw, msgspec.Raw()) for number in range(limit)]
    return msgspec.json.Decoder(msgspec.defstruct("Records", fields, array_like=True, forbid_unknown_fields=True))


def split_lines(body: bytes, limit: int) -> Sequence[bytes]:
    """The lines, without their ends (LF or CR LF); lines of nothing but space are left out.

    Raises ProblemError where there are so many that few of them could be records, of which there may be `limit`.
    """
    lines_max = EMPTY_LINES_FREE * limit
    if body.count(b"\n") > lines_max:
        raise too_large(f"the body has more than {lines_max} lines, empty ones included", limit)
    lines = [line.removesuffix(b"\r") for line in body.split(b"\n")]
    records = [line for line in lines if line and not line.isspace()]
    if not records:
        raise _empty()
    return records


SPLITTERS = {
    "application/json": split_json,
    "application/x-ndjson": split_lines,
    "application/ndjson": split_lines,
    "application/jsonl": split_lines,
    "application/x-jsonlines": split_lines,
}
"""By the type of the body."""


def _empty() -> ProblemError:
    return ProblemError("malformed", "the body holds no record")
