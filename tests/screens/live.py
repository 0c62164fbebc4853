"""The live table of `run` for its picture: what an engine has logged lately, above the recorded state, and an end."""

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock, patch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


from support.shown import LIMITS, NOW, YAML, Killed, at_night

from streamlake.engine.cli.display import LiveTable
from streamlake.engine.logs import configure_logs
from streamlake.engine.messages import Progress
from streamlake.engine.slot import Slot
from streamlake.engine.state import EngineState, PartitionState

KILLED_SECONDS = 21.372_415
"""How long ago the worker was killed for the first time since its last batch: then it is said."""
UNEVEN_SECONDS = 0.117_843
"""Commits don't come at whole seconds."""


def show(state: EngineState) -> None:
    """Log what happened in the last seconds, in its order, with the table below it."""
    lately = [one for one in state.partitions if one.held and one.storage_since is None]
    events = [(committed_seconds(one), committed, one) for one in lately]
    events += [(KILLED_SECONDS, killed, one) for one in state.partitions if one.last_exit == "killed"]
    with LiveTable(YAML, bounded=False) as table:
        table.show(state)
        for seconds, say, one in sorted(events, key=lambda event: -event[0]):
            moment = NOW - timedelta(seconds=seconds)
            clock = SimpleNamespace(datetime=Mock(now=Mock(return_value=moment)), timezone=timezone)
            with patch("structlog.processors.datetime", clock):
                say(one)


def committed_seconds(one: PartitionState) -> float:
    """How long ago its last commit was."""
    assert one.last_commit_at is not None
    moment = datetime.fromisoformat(one.last_commit_at)
    return (NOW - moment).total_seconds() - UNEVEN_SECONDS * (1 + one.source.partition)


def committed(one: PartitionState) -> None:
    """What its supervisor logs of the last commit."""
    refused = round(one.last_commit_rows * (one.refused_share or 0.0))
    assert one.next is not None
    progress = Progress(
        "reading",
        one.next,
        leader_epoch=0,
        first=one.next - one.last_commit_rows,
        seconds=one.last_commit_seconds,
        landed=one.last_commit_rows - refused,
        refused=refused,
        bytes=one.last_commit_bytes,
        committed_at=one.last_commit_at,
    )
    Slot(one.source, LIMITS).progress(progress)


def killed(one: PartitionState) -> None:
    """What its supervisor logs when it buries a worker."""
    slot = Slot(one.source, LIMITS)
    slot.child = Killed(one.source)
    slot.bury(bounded=False)


if __name__ == "__main__":
    configure_logs("text", pipeline="orders")
    show(at_night(8))
