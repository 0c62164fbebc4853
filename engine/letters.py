"""Refused messages as dead letters, with what an earlier attempt left in their headers."""

from collections.abc import Sequence

from streamlake.engine.records import Batch, DeadLetter, Header, Refusal, Verdict

ATTEMPT_HEADER = "streamlake.attempt"
FIRST_FAILED_HEADER = "streamlake.first_failed_at"


def dead_letters_of(batch: Batch, verdict: Verdict, now_ms: int) -> Sequence[DeadLetter]:
    """One letter per refused message, in offset order; `now_ms` is the time of a first failure (Unix, ms)."""
    return [_letter(batch, refusal, now_ms) for refusal in verdict.refused]


def _letter(batch: Batch, refusal: Refusal, now_ms: int) -> DeadLetter:
    index = refusal.index
    headers = tuple(batch.headers[index] or ())
    return DeadLetter(
        source=batch.source,
        offset=batch.offsets[index],
        timestamp_ms=batch.timestamps_ms[index],
        timestamp_type=batch.timestamp_types[index],
        key=batch.keys[index],
        value=batch.values[index],
        headers=headers,
        reason=refusal.reason,
        field=refusal.field,
        message=refusal.message,
        attempt=(_number(headers, ATTEMPT_HEADER) or 0) + 1,
        first_failed_at_ms=_number(headers, FIRST_FAILED_HEADER) or now_ms,
    )


def _number(headers: Sequence[Header], name: str) -> int | None:
    """The last header of that name as a number; None where anybody wrote something else there."""
    for key, value in reversed(headers):
        if key == name and value is not None and len(value) <= 15 and value.isdigit():
            return int(value)
    return None


class NoCopies:
    """The sender of a pipeline without a dead-letter topic: the dead-letter file is all there is."""

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """Nothing to copy: the letters stand in the committed file."""

    def close(self) -> None:
        """Nothing is open."""
