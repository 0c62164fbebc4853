"""Live generations of a lake, made and changed by hand, and what readers then see."""

from collections.abc import Sequence

from support.lake import Lake
from support.proofs import ORDERS_0, SUBJECT

from streamlake.engine.entries import Entry
from streamlake.engine.letters import NoCopies
from streamlake.engine.operations.generation_change import finish
from streamlake.engine.operations.lineage import live_entries
from streamlake.engine.operations.prove import prove


def change(lake: Lake) -> bool:
    return finish(lake.sink, lambda _run: NoCopies())


def reset_to(lake: Lake, start: int, run: str = "live-2") -> Lake:
    return Lake.make(lake.root, run=run, starts={ORDERS_0: start})


def replayed(lake: Lake, first: int = 10, rows: int = 10, run: str = "fixed", **kwargs: object) -> Lake:
    """A replay of one entry, which accepts all."""
    replay = Lake.make(
        lake.root, run=run, starts={ORDERS_0: first}, ends={ORDERS_0: first + rows}, output=f"replays/{run}"
    )
    landing = replay.claim(ORDERS_0)
    landing.land(rows, **kwargs)  # type: ignore[arg-type]
    landing.end.close()
    return replay


def promoted(lake: Lake, replay: Lake, run: str = "live-2") -> Lake:
    return Lake.make(lake.root, run=run, adopts=replay.identity.run)


def spans(entries: Sequence[Entry]) -> list[tuple[str, int, int]]:
    return [(entry.run, entry.first, entry.next) for entry in entries]


def seen(lake: Lake) -> list[tuple[str, int, int]]:
    """What readers see, by the ledgers; each file lies where they say, and no other is there."""
    entries = list(live_entries(lake.ledger(), ORDERS_0))
    files = sorted(file.final for entry in entries for file in entry.files)
    there = sorted(str(path.relative_to(lake.root)) for kind in ("raw", "dead") for path in lake.files(kind))
    assert files == there
    return spans(entries)


def assert_sound(lake: Lake) -> None:
    proof = prove(lake.ledger(), SUBJECT)
    assert (proof.defects, proof.notes) == ([], [])
