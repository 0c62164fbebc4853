"""A lake with a bit of everything in it, and short ways to say what a proof of it found."""

from pathlib import Path
from typing import Any

from support.lake import Lake

from streamlake.engine.operations.proof_types import Defect, Proof
from streamlake.engine.operations.prove import Subject, prove
from streamlake.engine.records import OffsetRange, TopicPartition

ORDERS_0, ORDERS_1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
SUBJECT = Subject("orders", "group", ["orders", "payments"])


def fill(lake: Lake) -> Lake:
    """orders/0: [0, 30) in three entries by two workers, a gap up to 35, and [35, 45); orders/1: [100, 110)."""
    first = lake.claim(ORDERS_0)
    first.land(10)
    first.land(10, refused=[1, 8], skipped=[0, 5], holes=[3, 9])
    second = lake.claim(ORDERS_0)
    second.land(10, holes=range(10))
    second.end.skip_to(35, "expired")
    second.next = 35
    second.land(10)
    second.end.close()
    lake.claim(ORDERS_1).land(10)
    return lake


def told(proof: Proof) -> list[tuple[str, TopicPartition | None, OffsetRange | None]]:
    return [(defect.kind, defect.source, defect.offsets) for defect in proof.defects]


def only(lake: Lake, **options: Any) -> Defect:
    """The one defect of a lake."""
    proof = prove(lake.ledger(), SUBJECT, **options)
    assert len(proof.defects) == 1, proof.defects
    assert not proof.holds
    return proof.defects[0]


def final(lake: Lake, path: Path) -> str:
    return path.relative_to(lake.root).as_posix()
