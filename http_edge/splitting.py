"""A body taken apart into records: the bytes of each as they were sent."""

from collections.abc import Sequence

import msgspec

from streamlake.http_edge.problems import ProblemError

JSON_SPACE = b" \t\r\n"
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


def split_json(body: bytes) -> Sequence[bytes]:
    """The elements of an array, or the one value that is there: the space around each is not part of it.

    Whether a value is JSON is the validator's to say, and of an array it has to be known before: raises ProblemError.
    """
    value = body.strip(JSON_SPACE)
    if not value:
        raise _empty()
    if not value.startswith(b"["):
        return [value]
    try:
        records = [bytes(record) for record in _ARRAY.decode(value)]
    except RecursionError:
        raise ProblemError("malformed", "the body is an array that nests too deep to be taken apart") from None
    except msgspec.DecodeError as error:
        said = str(error).removeprefix("JSON is malformed: ")
        hint = "send records as lines (application/x-ndjson), and a broken one does not stop the others"
        raise ProblemError("malformed", f"the body begins as a JSON array and is none: {said}; {hint}") from None
    if not records:
        raise _empty()
    return records


def split_lines(body: bytes) -> Sequence[bytes]:
    """The lines, without their ends (LF or CR LF); lines of nothing but space are left out."""
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
