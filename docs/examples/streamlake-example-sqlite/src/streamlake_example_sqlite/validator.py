"""The validator `required`: a JSON object that has certain fields, whatever stands in them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Self

from streamlake.engine.contracts import PluginOption
from streamlake.engine.errors import ConfigError
from streamlake.engine.records import Batch, PayloadKind, Refusal, Verdict

OPTIONS = (PluginOption("fields", "list of text", None, "the fields that a record must have"),)


class RequiredFields:
    """Refuses what is no JSON object, and one that lacks a field (`streamlake.engine.contracts.Validator`)."""

    contract_version = 1
    payload: PayloadKind = "json"

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = tuple(fields)
        # Changes whenever a decision could: with the fields, and with a change of the code below.
        self.fingerprint = f"required/1/{hashlib.sha256(json.dumps(self._fields).encode()).hexdigest()}"

    @classmethod
    def options(cls) -> Sequence[PluginOption]:
        """For `streamlake plugins required`."""
        return OPTIONS

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, columns: bool, base_dir: Path) -> Self:
        """Make one from the YAML's `validator:` section. Raises ConfigError."""
        del base_dir
        problems = [f"validator.{name}: it has no option but fields" for name in options if name != "fields"]
        fields = options.get("fields")
        if not isinstance(fields, list) or not fields or not all(isinstance(field, str) for field in fields):
            problems.append(f"validator.fields: {fields!r} is no list of names; for instance [id, amount]")
            fields = []
        if columns:
            problems.append("sink.columns: the validator required knows no types: envelope or value, not typed")
        if problems:
            raise ConfigError(*problems)
        return cls(fields)

    def validate(self, batch: Batch) -> Verdict:
        """The verdict over every message of `batch`."""
        refusals = (self._refusal(index, value) for index, value in enumerate(batch.values))
        return Verdict([refusal for refusal in refusals if refusal is not None])

    def _refusal(self, index: int, value: bytes | None) -> Refusal | None:
        if value is None:
            return Refusal(index, "tombstone", "there is no payload")
        try:
            record = json.loads(value.decode(), parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            return Refusal(index, "malformed", f"this is no JSON: {error}")
        if not isinstance(record, dict):
            return Refusal(index, "invalid", f"this is {type(record).__name__}, no object", "")
        missing = next((field for field in self._fields if field not in record), None)
        return None if missing is None else Refusal(index, "invalid", f"the field {missing} is missing", f"/{missing}")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is Python's, not JSON's")
