"""What is decided before a validator is asked: tombstones and records over the size limit."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from streamlake.engine.contracts import Batch, Refusal, Verdict


@dataclass(frozen=True, slots=True)
class Policies:
    """The YAML's `policies:` as far as they decide on single records."""

    tombstone: Literal["skip", "refuse"]
    record_bytes_max: int


def decide(batch: Batch, policies: Policies, validate: Callable[[Batch], Verdict]) -> Verdict:
    """The verdict over the whole batch; the validator is only shown what the policies leave to it."""
    if not _anything_to_decide(batch, policies):
        return validate(batch)
    refused, skipped, rest = [], [], []
    for index, value in enumerate(batch.values):
        if value is None and policies.tombstone == "skip":
            skipped.append(index)
        elif value is None:
            refused.append(Refusal(index, "tombstone", "a tombstone (null value); policies.tombstone is refuse"))
        elif len(value) > policies.record_bytes_max:
            refused.append(Refusal(index, "oversize", _too_large(len(value), policies.record_bytes_max)))
        else:
            rest.append(index)
    verdict = validate(batch.take(rest))
    refused += [replace(refusal, index=rest[refusal.index]) for refusal in verdict.refused]
    skipped += [rest[index] for index in verdict.skipped]
    return Verdict(sorted(refused, key=lambda refusal: refusal.index), sorted(skipped), verdict.columns)


def _too_large(size: int, limit: int) -> str:
    return f"the value has {size} bytes, policies.record_bytes_max is {limit}"


def _anything_to_decide(batch: Batch, policies: Policies) -> bool:
    """Look at a batch by C loops only: almost none has a tombstone or a giant in it."""
    if None in batch.values:
        return True
    return max(map(len, batch.values), default=0) > policies.record_bytes_max  # type: ignore[arg-type]  # no None is in it by now
