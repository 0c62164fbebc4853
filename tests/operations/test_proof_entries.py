"""The rules that ledger entries keep among themselves: each broken alone is told, and nothing else is."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
from support.entries import ORDERS, data_entry, file_entry

from streamlake.engine.entries import Entry, RunIdentity, Totals
from streamlake.engine.operations.proof_entries import FileName, entry_defects, parse_file_name
from streamlake.engine.records import OffsetRange, TopicPartition

RUN = RunIdentity("live-1", "orders", "group", "cluster", {"orders": "topic-id"}, {ORDERS: 100}, "2026-01-01")
NAME = "orders-00003-00000000000000000100-00000000000000000110.live-1"
RAW = file_entry(f"raw/orders/{NAME}.parquet", rows=6)
DEAD = file_entry(f"dead/orders/{NAME}.jsonl.zst", kind="dead", rows=1)
BEFORE = replace(data_entry(OffsetRange(90, 100)), seq=6, sha256="hash of 6")
ENTRY = data_entry(
    OffsetRange(100, 110),
    holes=[OffsetRange(101, 102)],
    skipped_offsets=[OffsetRange(104, 106)],
    files=[RAW, DEAD],
    refused=1,
)
ALL_BUT_SKIPPED = (OffsetRange(100, 104), OffsetRange(106, 110))
CLAIM = replace(
    ENTRY,
    kind="claim",
    epoch=3,
    writer="writer-3",
    next=100,
    read=0,
    landed=0,
    refused=0,
    skipped=0,
    holes=(),
    skipped_offsets=(),
    files=(),
)


def totalled(entry: Entry, before: Entry | None) -> Entry:
    """The entry with the totals that an honest writer would say."""
    return replace(entry, totals=(before.totals if before else Totals()).plus(entry.kind, entry, entry.committed_at))


def kinds(entry: Entry, before: Entry | None = BEFORE) -> list[str]:
    return [defect.kind for defect in entry_defects(totalled(entry, before), before, RUN, ORDERS)]


@pytest.mark.parametrize("entry", [ENTRY, CLAIM, replace(CLAIM, kind="close", epoch=2, writer="writer-2")])
def test_an_entry_that_keeps_the_rules_has_no_defect(entry: Entry) -> None:
    assert kinds(entry) == []


def test_the_first_entry_is_a_claim_at_the_start_of_the_run() -> None:
    first = replace(CLAIM, seq=0, epoch=1, previous_sha256="")
    assert kinds(first, None) == []
    assert kinds(replace(first, kind="close"), None) == ["ledger"]
    assert kinds(replace(first, first=105, next=105), None) == ["hole"]
    assert kinds(replace(first, first=95, next=95), None) == ["run"]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"run": "live-2", "files": (), "landed": 0, "refused": 0, "read": 2, "holes": ALL_BUT_SKIPPED}, "ledger"),
        ({"partition": 4, "files": (), "landed": 0, "refused": 0, "read": 2, "holes": ALL_BUT_SKIPPED}, "ledger"),
        ({"topic_id": "another"}, "run"),
        ({"seq": 8}, "ledger"),
        ({"previous_sha256": "other"}, "ledger"),
        ({"epoch": 3}, "ledger"),
        ({"writer": "writer-9"}, "ledger"),
        ({"landed": 7, "read": 10}, "ledger"),
        ({"read": 10}, "ledger"),
        ({"skipped_offsets": ()}, "ledger"),
        ({"skipped_offsets": (OffsetRange(101, 103),)}, "ledger"),
        ({"holes": (OffsetRange(110, 111),)}, "ledger"),
        ({"files": (replace(RAW, rows=5), DEAD)}, "ledger"),
        ({"files": (RAW,)}, "ledger"),
        ({"files": (replace(RAW, final=f"raw/other/{NAME}.parquet"), DEAD)}, "foreign"),
        ({"files": (replace(RAW, final=RAW.final.replace("-00003-", "-00002-")), DEAD)}, "foreign"),
        ({"files": (replace(RAW, final=RAW.final.replace("0100-", "0101-")), DEAD)}, "foreign"),
        ({"files": (replace(RAW, final=RAW.final.replace("live-1", "live-2")), DEAD)}, "foreign"),
    ],
)
def test_a_broken_rule_is_told(change: Mapping[str, Any], kind: str) -> None:
    found = kinds(replace(ENTRY, **change))
    assert found
    assert set(found) == {kind}


@pytest.mark.parametrize(
    "change",
    [{"epoch": 2}, {"epoch": 4}, {"writer": "writer-2"}, {"next": 101}, {"read": 1}],
)
def test_a_claim_takes_the_partition_and_nothing_else(change: Mapping[str, Any]) -> None:
    assert set(kinds(replace(CLAIM, **change))) == {"ledger"}


def test_after_a_close_only_a_claim_may_follow() -> None:
    assert kinds(ENTRY, replace(BEFORE, kind="close")) == ["ledger"]
    assert kinds(CLAIM, replace(BEFORE, kind="close")) == []


def test_offsets_between_two_entries_are_a_hole_and_overlapping_ones_a_duplicate() -> None:
    (hole,) = entry_defects(totalled(ENTRY, BEFORE), replace(BEFORE, next=95), RUN, ORDERS)
    assert (hole.kind, hole.offsets) == ("hole", OffsetRange(95, 100))
    (twice,) = entry_defects(totalled(ENTRY, BEFORE), replace(BEFORE, next=103), RUN, ORDERS)
    assert (twice.kind, twice.offsets) == ("duplicate", OffsetRange(100, 103))


@pytest.mark.parametrize("total", [field.name for field in fields(Totals)])
def test_totals_are_those_of_the_entry_before_with_its_own_counts_added(total: str) -> None:
    honest = totalled(ENTRY, BEFORE)
    value = getattr(honest.totals, total)
    change: dict[str, Any] = {total: value + 1 if isinstance(value, int) else "2027-01-01"}
    forged = replace(honest.totals, **change)
    (defect,) = entry_defects(replace(honest, totals=forged), BEFORE, RUN, ORDERS)
    assert defect.kind == "ledger"
    assert "says other totals" in defect.message


def test_a_gap_has_a_reason_and_no_files() -> None:
    gap = replace(data_entry(OffsetRange(100, 110)), kind="gap", read=0, landed=0, reason="expired")
    assert kinds(gap) == []
    assert kinds(replace(gap, reason="")) == ["ledger"]
    assert kinds(replace(gap, files=(RAW,))) != []


@pytest.mark.parametrize(
    ("path", "topic"),
    [
        (f"raw/orders/{NAME}.parquet", "orders"),
        (f"raw/orders/ingestion_date=2026-01-01/{NAME}.jsonl.zst", "orders"),
        (f"dead/a-00001-b/{NAME.replace('orders', 'a-00001-b')}.jsonl", "a-00001-b"),
        (f"raw/%5Fhidden/{NAME.replace('orders', '%5Fhidden')}.jsonl", "_hidden"),
        (f"raw/{'x' * 249}/{NAME.replace('orders', 'x' * 150 + '~0123456789abcdef')}.jsonl", "x" * 249),
    ],
)
def test_a_name_says_partition_range_and_run(path: str, topic: str) -> None:
    wanted = FileName(TopicPartition(topic, 3), OffsetRange(100, 110), "live-1")
    assert parse_file_name(path, topic, ["live", "live-1"]) == wanted


@pytest.mark.parametrize(
    "name",
    [
        "orders.parquet",
        NAME.replace("00003", "3"),
        "orders-00003-00000000000000000110-00000000000000000100.live-1.parquet",
        f"payments{NAME}.parquet",
        f"{NAME}.parquet (copy)",
    ],
)
def test_any_other_name_says_nothing(name: str) -> None:
    assert parse_file_name(f"raw/orders/{name}", "orders", ["live-1"]) is None
