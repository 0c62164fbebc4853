"""How a run of torture went, as a table and a closing line."""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

NOTHING_WRONG = "0 lost, 0 doubled, 0 altered"


@dataclass
class Outcome:
    """How a run went; `faults` are the sentences that make it a failure, `remarks` what else is to be said.

    `enabled` are the kinds of fault and their weights, `kills` those of them that count as kills.
    """

    seed: int
    enabled: dict[str, float]
    kills: Collection[str]
    nothing_wrong: str = NOTHING_WRONG
    happened: Counter[str] = field(default_factory=Counter)
    counts: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def killed(self) -> int:
        """How many kills there were."""
        return sum(self.happened[name] for name in self.kills)

    def told(self) -> str:
        """The table of faults, the counts, and the closing line."""
        lines = [f"{self.happened[name]:6}  {name}" for name in self.enabled]
        lines += [json.dumps(self.counts, indent=1), *self.faults, *self.remarks]
        end = "FAILED" if self.faults else self.nothing_wrong
        return "\n".join([*lines, f"seed {self.seed}: {self.killed} kills, {self.in_all}: {end}"])

    @property
    def in_all(self) -> str:
        """What else there was, counted."""
        return f"{self.happened.total()} faults in all"
