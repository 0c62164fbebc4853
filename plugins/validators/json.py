"""The validator `json`: the payload is one JSON text (RFC 8259), an object unless told otherwise."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from streamlake.engine.contracts import Batch, PayloadKind, Verdict
from streamlake.plugins.validators.decode import Gate
from streamlake.plugins.validators.fingerprint import fingerprint_of
from streamlake.plugins.validators.options import GateOptions, no_columns, read_options


class JsonValidator:
    """Accepts what the gate lets through and orjson can parse; the values are looked at no further."""

    payload: PayloadKind = "json"

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.fingerprint = fingerprint_of("json", {"gate": repr(gate)}, ["orjson"])

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, columns: bool, base_dir: Path) -> Self:
        """Make one from `depth_max` and `top_level`. Raises ConfigError, also for `columns`: nothing says the types."""
        del base_dir
        read = read_options(GateOptions, options, "json")
        if columns:
            raise no_columns("json")
        return cls(read.gate())

    def validate(self, batch: Batch) -> Verdict:
        """Refuse what is not JSON, or not JSON that means the same to every reader."""
        admitted = self._gate.admit(batch.values)
        self._gate.parse(admitted, type)
        return admitted.verdict()
