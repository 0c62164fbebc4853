"""The validator `none`: every payload lands as the bytes it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from streamlake.engine.contracts import CONTRACT_VERSION, PluginOption
from streamlake.engine.records import Batch, PayloadKind, Refusal, Verdict
from streamlake.plugins.validators.fingerprint import fingerprint_of
from streamlake.plugins.validators.options import NoOptions, no_columns, options_of, read_options


class NoneValidator:
    """Accepts every payload; only a tombstone, which has none, is refused as in every other validator."""

    contract_version = CONTRACT_VERSION
    payload: PayloadKind = "bytes"

    def __init__(self) -> None:
        self.fingerprint = fingerprint_of("none", {}, {})

    @classmethod
    def options(cls) -> Sequence[PluginOption]:
        """What its section may hold beside `type`."""
        return options_of(NoOptions)

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, columns: bool, base_dir: Path) -> Self:
        """Make one; there are no options. Raises ConfigError, also for `columns`: bytes have no types."""
        del base_dir
        read_options(NoOptions, options, "none")
        if columns:
            raise no_columns("none")
        return cls()

    def json_schema(self) -> Mapping[str, object]:
        """Anything."""
        return {}

    def validate(self, batch: Batch) -> Verdict:
        """Accept all but tombstones."""
        if all(batch.values):  # neither tombstones nor empty payloads; ten times faster than to compare with None
            return Verdict()
        refused = [
            Refusal(index, "tombstone", "there is no payload (a tombstone)")
            for index, value in enumerate(batch.values)
            if value is None
        ]
        return Verdict(refused)
