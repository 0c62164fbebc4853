"""What an answer of the HTTP edge, or of something that stands before it, says about the records of a request."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

import msgspec

TEXT_CHARS_MAX = 300
PROBLEM_TYPE = "application/problem+json"

RESULTS = (202, 207, 422)
NOT_TAKEN = (408, 429, 503)
TOO_LARGE = 413
HINTS: Mapping[int, str] = {
    401: "give the API key by STREAMLAKE_API_KEY or --key-file",
    404: "is the address right, as in http://127.0.0.1:8080/ingest/orders?",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one record; the texts are printable, and empty unless it was refused."""

    status: Literal["stored", "refused", "unknown"]
    reason: str = ""
    field: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """One result a record, in order."""

    results: Sequence[Result]


@dataclass(frozen=True, slots=True)
class NotStored:
    """None was stored, and a later sending may be: after `wait_seconds`, where the edge said so."""

    why: str
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Each may be stored or not."""

    why: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """None was stored, and the same request won't be: `why` says what has to be mended."""

    why: str
    too_large: bool = False


Outcome = Answered | NotStored | Unknown | Rejected


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def outcome_of(reply: Reply, records: int, wall: float) -> Outcome:
    """What `reply` says about the `records` of its request; `wall` is the time of day, in seconds since 1970."""
    status = reply.status
    if status in RESULTS:
        results = _results(reply.body, records)
        return Unknown(f"{status} with an answer that can't be read") if results is None else Answered(results)
    problem = _problem(reply)
    if status in NOT_TAKEN and (problem is not None or status == 429):
        said = "Too Many Requests" if problem is None else problem.title
        return NotStored(f"{status} {plain(said)}", retry_after(reply.headers.get("retry-after"), wall))
    if 300 <= status < 500:
        return Rejected(_what_to_mend(reply, problem), too_large=status == TOO_LARGE)
    # A proxy's page says nothing of what the edge behind it did before: not even one with 503 (Envoy's, after a reset).
    return Unknown(f"{status} {plain(problem.title) if problem else 'that is no answer of the edge'}")


def retry_after(value: str | None, wall: float) -> float | None:
    """The seconds of a `Retry-After`, which has a number or a date, maybe a past one; None where none can be read."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date.timestamp() - wall


def plain(text: str) -> str:
    """A text of the other side as a terminal may be given it: one line, nothing that it obeys, not too long."""
    shown = "".join(char if char.isprintable() else " " for char in text[: TEXT_CHARS_MAX + 1])
    return shown if len(shown) <= TEXT_CHARS_MAX else f"{shown[:TEXT_CHARS_MAX]}…"


class _Result(msgspec.Struct):
    index: int
    status: Literal["stored", "refused", "unknown"]
    reason: str | None = None
    field: str | None = None
    message: str | None = None


class _Answer(msgspec.Struct):
    stored: int
    refused: int
    unknown: int
    results: list[_Result]


class _Problem(msgspec.Struct):
    title: str
    detail: str = ""


_ANSWERS = msgspec.json.Decoder(_Answer)
_PROBLEMS = msgspec.json.Decoder(_Problem)


def _results(body: bytes, records: int) -> list[Result] | None:
    """One result a record, in order; None where the answer does not say that."""
    try:
        answer = _ANSWERS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    found = sorted(answer.results, key=lambda result: result.index)
    counts = Counter(result.status for result in found)
    counted = (counts["stored"], counts["refused"], counts["unknown"])
    if [result.index for result in found] != list(range(records)):
        return None
    if counted != (answer.stored, answer.refused, answer.unknown):
        return None
    return [_shown(result) for result in found]


def _shown(result: _Result) -> Result:
    if result.status != "refused":
        return Result(result.status)
    field = None if result.field is None else plain(result.field)
    return Result("refused", plain(result.reason or "no reason given"), field, plain(result.message or ""))


def _problem(reply: Reply) -> _Problem | None:
    if reply.headers.get("content-type", "").partition(";")[0].strip().lower() != PROBLEM_TYPE:
        return None
    try:
        return _PROBLEMS.decode(reply.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _what_to_mend(reply: Reply, problem: _Problem | None) -> str:
    """`401 An API key is needed: DETAIL; HINT`."""
    said = str(reply.status)
    if problem is not None:
        said += f" {problem.title}" + (f": {problem.detail}" if problem.detail else "")
    elif reply.status < 400:
        where = reply.headers.get("location", "nowhere")
        said += f", which leads to {where}: give the address where the edge itself is"
    else:
        said += " from something that is not the edge"
    hint = HINTS.get(reply.status)
    return plain(said) + (f"; {hint}" if hint else "")
