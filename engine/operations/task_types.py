"""What an operation tells a scheduler: a sentence, details, plain data, and whether trying again can help."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, ParamSpec

from streamlake.config.values import seconds
from streamlake.engine.errors import ConfigError, ForeignRootError, StreamLakeError, UsageError

P = ParamSpec("P")

Verdict = Literal["done", "refused", "again"]
"""`refused`: a person has to act first. `again`: the same call may well go on."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was done. `details` are lines for whoever looks closer; `data` is JSON, the same for programs.

    `sentence` is for a log: what, how much, where; or why not. No secret is in any of it.
    """

    sentence: str
    details: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    verdict: Verdict = "done"


def task(operation: Callable[P, Told]) -> Callable[P, Told]:
    """Tell an error instead of raising it; what is nobody's of ours is raised: it is a bug, with its traceback."""

    @functools.wraps(operation)
    def told(*arguments: P.args, **named: P.kwargs) -> Told:
        try:
            return operation(*arguments, **named)
        except StreamLakeError as error:
            hopeless = error.parks or isinstance(error, UsageError | ConfigError | ForeignRootError)
            return Told(f"{error.code}: {error}", verdict="refused" if hopeless else "again")

    return told


def moment_of(said: str | None, what: str, now: datetime) -> datetime | None:
    """A timestamp with its zone, or how long before `now` (2h, 7d), as an aware datetime. Raises UsageError."""
    if said is None:
        return None
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        try:
            ago = seconds(said)
            assert isinstance(ago, float), "a number and a unit"
            return now - timedelta(seconds=ago)
        except (ValueError, OverflowError):
            known = "neither a timestamp (2026-01-31T06:00:00Z) nor how long ago (90s, 30m, 2h, 7d)"
            raise UsageError(f"{what} {said}: is {known}") from None
    if moment.tzinfo is None:
        raise UsageError(f"{what} {said}: has no zone: write it, too, as in 2026-01-31T06:00:00Z")
    return moment
