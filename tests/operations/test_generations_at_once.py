"""Two that finish the change to a new live generation at once: the operator and an engine, or two engines."""

from pathlib import Path
from typing import Any

import pytest
from support.lake import Lake
from support.proofs import ORDERS_0, SUBJECT

from streamlake.engine.contracts import PartitionJob
from streamlake.engine.letters import NoCopies
from streamlake.engine.operations import generation_change
from streamlake.engine.operations.generation_change import finish
from streamlake.engine.operations.lineage import live_entries
from streamlake.engine.operations.prove import prove


def test_of_two_that_finish_a_change_at_once_both_come_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one is done between our look at the ledger and our claim."""
    lake = Lake.make(tmp_path, starts={ORDERS_0: 0})
    landing = lake.claim(ORDERS_0)
    landing.land(10)
    landing.land(10)
    Lake.make(tmp_path, run="live-2", starts={ORDERS_0: 10})

    def other_first(**fields: Any) -> PartitionJob:
        monkeypatch.undo()
        assert finish(lake.sink, lambda _run: NoCopies())
        return PartitionJob(**fields)

    monkeypatch.setattr(generation_change, "PartitionJob", other_first)
    assert finish(lake.sink, lambda _run: NoCopies())
    assert [(entry.run, entry.range.next) for entry in live_entries(lake.ledger(), ORDERS_0)] == [("live-1", 10)]
    assert len(lake.files("superseded/live-1")) == 1
    assert prove(lake.ledger(), SUBJECT).defects == []
