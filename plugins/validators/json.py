"""The validator `json`: the payload is one JSON text (RFC 8259), an object unless told otherwise."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import orjson

from streamlake.engine.contracts import CONTRACT_VERSION, PluginOption
from streamlake.engine.records import Batch, PayloadKind, Refusal, Verdict
from streamlake.plugins.validators.decode import Gate, verdict_of
from streamlake.plugins.validators.fingerprint import fingerprint_of
from streamlake.plugins.validators.options import GateOptions, no_columns, options_of, read_options


class JsonValidator:
    """Accepts what the gate lets through and orjson can parse; the values are looked at no further."""

    contract_version = CONTRACT_VERSION
    payload: PayloadKind = "json"

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.fingerprint = fingerprint_of("json", {"gate": repr(gate)}, {"orjson": orjson.__version__})

    @classmethod
    def options(cls) -> Sequence[PluginOption]:
        """What its section may hold beside `type`."""
        return options_of(GateOptions)

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, columns: bool, base_dir: Path) -> Self:
        """Make one from `depth_max` and `top_level`. Raises ConfigError, also for `columns`: nothing says the types."""
        del base_dir
        read = read_options(GateOptions, options, "json")
        if columns:
            raise no_columns("json")
        return cls(read.gate())

    def json_schema(self) -> Mapping[str, object]:
        """An object, or anything where `top_level` says so."""
        return self._gate.described({})

    def validate(self, batch: Batch) -> Verdict:
        """Refuse what is not JSON, or not JSON that means the same to every reader."""
        refused: dict[int, Refusal] = {}
        for piece in self._gate.admit(batch.values, refused):
            self._gate.parse(piece, type)
        return verdict_of(refused)
