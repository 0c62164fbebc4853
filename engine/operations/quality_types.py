"""What a quality run is about, and what it found: the range, a result for each check, offending rows as examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from streamlake.config.quality import Severity

Status = Literal["pass", "fail", "no rows", "error"]
"""`no rows`: there was nothing to look at. `error`: the check could not be made, and nobody knows."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """What was committed in `[since, until)`, by the clocks of the hosts that did; None is no limit. Both are aware."""

    since: datetime | None = None
    until: datetime | None = None

    def __contains__(self, moment: datetime) -> bool:
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)

    def __str__(self) -> str:
        if self.since is None and self.until is None:
            return "all that landed"
        ends = (("since", self.since), ("until", self.until))
        said = [f"{word} {moment.isoformat(timespec='seconds')}" for word, moment in ends if moment is not None]
        return f"landed {' '.join(said)}"


@dataclass(frozen=True, slots=True)
class Example:
    """One offending row, dead letter or place; what is not known of it is None. `value` is what offends, as text."""

    topic: str | None
    partition: int | None
    offset: int | None
    value: str | None

    def __str__(self) -> str:
        place = "/".join("?" if part is None else str(part) for part in (self.topic, self.partition, self.offset))
        return f"{place}: {'null' if self.value is None else self.value}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: `rows` that it looked at, `failures` among them, a sentence where numbers don't say it."""

    rows: int
    failures: int
    examples: Sequence[Example] = ()
    message: str = ""
    status: Status | None = None  # None: by the numbers

    def judged(self) -> Status:
        """`status`, or what the numbers say."""
        if self.status is not None:
            return self.status
        return "fail" if self.failures else "pass" if self.rows else "no rows"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check's outcome. `column` is what it looks at ("" where its type says it all); `topic` None is all."""

    name: str
    type: str
    severity: Severity
    column: str
    topic: str | None
    status: Status
    rows: int
    failures: int
    examples: Sequence[Example]
    message: str
    seconds: float

    @property
    def fails(self) -> bool:
        """Whether the command has to exit with 1 for it."""
        return self.status == "error" or (self.status == "fail" and self.severity == "error")


@dataclass(frozen=True, slots=True)
class QualityReport:
    """All checks of a run. `files` and `rows` are those of the range; `kept` is where the results are, if anywhere."""

    pipeline: str
    within: TimeRange
    started_at: datetime
    seconds: float
    files: int
    rows: int
    results: Sequence[CheckResult]
    notes: Sequence[str] = ()
    kept: str | None = None

    @property
    def holds(self) -> bool:
        """False where a check of severity error failed, or any could not be made."""
        return not any(result.fails for result in self.results)
