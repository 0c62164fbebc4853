"""Validators that break the contract, each in one way; the sound one below them all decides by the first byte."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from streamlake.engine.errors import ConfigError
from streamlake.engine.records import Batch, PayloadKind, Refusal, Verdict

GOOD, BAD = b'{"id": 1}', b"no"


class Sound:
    """Accepts what json.loads takes for an object; `columns` are the length of each."""

    contract_version = 1
    payload: PayloadKind = "json"
    fingerprint = "sound/1"
    known: tuple[str, ...] = ()

    def __init__(self, *, columns: bool) -> None:
        self.columns = columns

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, columns: bool, base_dir: Path) -> Self:
        del base_dir
        if set(options) - set(cls.known):
            raise ConfigError("there is no such option")
        return cls(columns=columns)

    def validate(self, batch: Batch) -> Verdict:
        answers = [self.refuse(index, value or b"") for index, value in enumerate(batch.values)]
        refused = [answer for answer in answers if answer is not None]
        out = {refusal.index for refusal in refused}
        sizes = [len(value or b"") for index, value in enumerate(batch.values) if index not in out]
        return Verdict(
            refused, (), pa.table({"size": pa.array(sizes, self.column_type(batch))}) if self.columns else None
        )

    def column_type(self, batch: Batch) -> Any:
        """The type of the one column."""
        del batch
        return pa.int64()

    def refuse(self, index: int, value: bytes) -> Refusal | None:
        """Why a payload may not land."""
        return None if is_object(value) else Refusal(index, "malformed", "no object")


def is_object(value: bytes) -> bool:
    """What the sound one accepts."""

    def no_constant(name: str) -> float:
        raise ValueError(name)

    try:
        return isinstance(json.loads(value.decode(), parse_constant=no_constant), dict)
    except (ValueError, RecursionError):
        return False


class TakesAnyOption(Sound):
    known = ("no_such_option",)


class SaysAnotherKind(Sound):
    payload: Any = "text"


class HasANameOfItsOwn(Sound):
    numbers = itertools.count()

    def __init__(self, *, columns: bool) -> None:
        super().__init__(columns=columns)
        self.fingerprint = f"own/{next(self.numbers)}"


class CountsInItsFingerprint(Sound):
    def validate(self, batch: Batch) -> Verdict:
        self.fingerprint = f"seen/{len(batch)}"
        return super().validate(batch)


class RefusesGoodOnes(Sound):
    def refuse(self, index: int, value: bytes) -> Refusal | None:
        return Refusal(index, "invalid", "as ever") if value == GOOD else super().refuse(index, value)


class AcceptsBadOnes(Sound):
    def refuse(self, index: int, value: bytes) -> Refusal | None:
        return None if value == BAD else super().refuse(index, value)


class Raises(Sound):
    def refuse(self, index: int, value: bytes) -> Refusal | None:
        value.decode()
        return super().refuse(index, value)


class KnowsAnotherReason(Sound):
    def refuse(self, index: int, value: bytes) -> Refusal | None:
        return None if is_object(value) else Refusal(index, "ugly", "no")  # type: ignore[arg-type]


class SaysNothing(Sound):
    def refuse(self, index: int, value: bytes) -> Refusal | None:
        return None if is_object(value) else Refusal(index, "malformed", "")


class RefusesTwice(Sound):
    def validate(self, batch: Batch) -> Verdict:
        return Verdict([refusal for refusal in super().validate(batch).refused for _ in range(2)])


class ForgetsColumns(Sound):
    def validate(self, batch: Batch) -> Verdict:
        return Verdict(super().validate(batch).refused)


class HasARowTooMany(Sound):
    def validate(self, batch: Batch) -> Verdict:
        return Verdict(super().validate(batch).refused, (), pa.table({"size": [0] * len(batch)}))


class RefusesWhatIsNotThere(Sound):
    def validate(self, batch: Batch) -> Verdict:
        return super().validate(batch) if len(batch) else Verdict([Refusal(0, "invalid", "empty")])


class ChangesItsMind(Sound):
    numbers = itertools.count()

    def refuse(self, index: int, value: bytes) -> Refusal | None:
        return super().refuse(index, value) and Refusal(index, "malformed", f"the {next(self.numbers)}th")


class RemembersWhatItSaw(Sound):
    def __init__(self, *, columns: bool) -> None:
        super().__init__(columns=columns)
        self.seen: set[bytes] = set()

    def refuse(self, index: int, value: bytes) -> Refusal | None:
        new = value not in self.seen
        self.seen.add(value)
        return super().refuse(index, value) if new else Refusal(index, "invalid", "a duplicate")


class LooksAtItsNeighbours(Sound):
    def validate(self, batch: Batch) -> Verdict:
        whole = super().validate(batch)
        return whole if len(batch) > 1 else Verdict([Refusal(index, "invalid", "alone") for index in range(len(batch))])


class CallsAnythingJson(Sound):
    def validate(self, batch: Batch) -> Verdict:
        del batch
        return Verdict()


class ChangesTheBatch(Sound):
    def validate(self, batch: Batch) -> Verdict:
        verdict = super().validate(batch)
        if isinstance(batch.values, list):
            batch.values[:] = [(value or b"").strip() for value in batch.values]
        return verdict


class WantsAList(Sound):
    def validate(self, batch: Batch) -> Verdict:
        return super().validate(batch) if isinstance(batch.values, list) else Verdict()


class GuessesTypes(Sound):
    def column_type(self, batch: Batch) -> Any:
        return pa.int64() if len(batch) > 1 else pa.string() if len(batch) == 0 else pa.int32()
