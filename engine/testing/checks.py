"""A check of a conformance suite: its name, the sentence of the contract that it holds, and how it fails."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Subject = TypeVar("Subject")


class BrokenContractError(AssertionError):
    """What a plugin did otherwise than the contract says; `where` is the place that says it."""

    def __init__(self, why: str, where: str) -> None:
        super().__init__(f"{why} (see {where} in streamlake.engine.contracts)")


@dataclass(frozen=True, slots=True)
class Check(Generic[Subject]):
    """One check, to be called with what it holds to the contract; raises AssertionError."""

    run: Callable[[Subject], None]

    @property
    def name(self) -> str:
        """The function's name, for ids of tests."""
        return self.run.__name__

    @property
    def sentence(self) -> str:
        """What is held, in one sentence."""
        return (self.run.__doc__ or "").partition("\n")[0]

    def __str__(self) -> str:
        return self.name


def expect(holds: object, why: str, where: str) -> None:
    """Raise BrokenContractError where something does not hold that `where` in the contract says."""
    if not holds:
        raise BrokenContractError(why, where)


def run_checks(checks: Iterable[Check[Subject]], subject: Callable[[Check[Subject]], Subject]) -> None:
    """Run all, each on a subject of its own, and raise one AssertionError that tells of every one that failed."""
    failures = [failure for check in checks if (failure := _failure(check, subject))]
    if failures:
        raise AssertionError("\n\n".join(failures))


def _failure(check: Check[Subject], subject: Callable[[Check[Subject]], Subject]) -> str:
    try:
        check.run(subject(check))
    except AssertionError as error:
        why = str(error) or "an assertion of the plugin's own failed"
    except Exception as error:  # noqa: BLE001  a plugin may raise anything
        why = f"it raised {type(error).__name__}: {error}"
    else:
        return ""
    return f"{check.name}: {check.sentence}\n    {why}"
