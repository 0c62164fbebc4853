"""What is decided before a validator is asked: tombstones, records over a limit, headers nobody can read."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from operator import is_
from typing import Literal

from streamlake.engine.packed import beyond
from streamlake.engine.records import UNREADABLE_HEADERS, Batch, Refusal, Verdict


@dataclass(frozen=True, slots=True)
class Policies:
    """The YAML's `policies:` as far as they decide on single records."""

    tombstone: Literal["skip", "refuse"]
    record_bytes_max: int
    record_headers_max: int


def decide(batch: Batch, policies: Policies, validate: Callable[[Batch], Verdict]) -> Verdict:
    """The verdict over the whole batch; the validator is only shown what the policies leave to it, if anything."""
    special = _special(batch, policies)
    if not special:
        return validate(batch) if len(batch) else Verdict()
    refused, skipped = list[Refusal](), list[int]()
    for index in special:
        value, headers = batch.values[index], batch.headers[index]
        if headers is UNREADABLE_HEADERS:
            refused.append(
                Refusal(index, "malformed", "its headers can't be read: a name is not UTF-8; they are left out")
            )
        elif headers is not None and len(headers) > policies.record_headers_max:
            said = f"it has {len(headers)} headers, policies.record_headers_max is {policies.record_headers_max}"
            refused.append(Refusal(index, "oversize", said))
        elif value is not None:
            refused.append(Refusal(index, "oversize", _too_large(len(value), policies.record_bytes_max)))
        elif policies.tombstone == "refuse":
            refused.append(Refusal(index, "tombstone", "a tombstone (null value); policies.tombstone is refuse"))
        else:
            skipped.append(index)
    rest = batch.without(special)
    verdict = validate(rest) if len(rest) else Verdict()
    place = _places(special)
    refused += [replace(refusal, index=place(refusal.index)) for refusal in verdict.refused]
    skipped += [place(index) for index in verdict.skipped]
    return Verdict(sorted(refused, key=lambda refusal: refusal.index), sorted(skipped), verdict.columns)


def _special(batch: Batch, policies: Policies) -> list[int]:
    """The indices of tombstones, giants and messages with unreadable headers or too many of them, ascending.

    Of most batches there are none, and C loops find that out.
    """
    special, headers = beyond(batch.values, policies.record_bytes_max), batch.headers
    if headers.count(None) == len(headers):
        return special
    most = policies.record_headers_max
    unreadable = any(map(is_, headers, repeat(UNREADABLE_HEADERS)))
    if not unreadable and max(map(len, filter(None, headers)), default=0) <= most:
        return special
    by_headers = (index for index, one in enumerate(headers) if one is UNREADABLE_HEADERS or len(one or ()) > most)
    return sorted({*special, *by_headers})


def _places(left_out: Sequence[int]) -> Callable[[int], int]:
    """From an index without the messages at `left_out` to the one with them."""
    # Before the message that comes right after left_out[n], this many were left in.
    left_in = [index - number for number, index in enumerate(left_out)]
    return lambda index: index + bisect_right(left_in, index)


def _too_large(size: int, limit: int) -> str:
    return f"the value has {size} bytes, policies.record_bytes_max is {limit}"
