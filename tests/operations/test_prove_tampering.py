"""`prove` names every kind of tampering with its place, also when the hashes were forged."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pyarrow as pa
import pytest
from support.lake import Lake
from support.proofs import ORDERS_0, ORDERS_1, SUBJECT, fill, final, only, told
from support.tamper import Fields, entry_paths, flip, forge_file, forge_ledger, forge_rows, overwrite

from streamlake.engine.operations.prove import prove
from streamlake.engine.records import OffsetRange


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return fill(Lake.make(tmp_path, starts={ORDERS_0: 0, ORDERS_1: 100}))


def test_a_removed_file_is_missing(lake: Lake) -> None:
    path = lake.files("raw")[1]
    path.unlink()
    defect = only(lake)
    assert (defect.kind, defect.source, defect.path) == ("missing", ORDERS_0, final(lake, path))
    assert defect.offsets == OffsetRange(10, 20)
    assert only(lake, quick=True) == defect


def test_a_removed_dead_letter_file_is_missing(lake: Lake) -> None:
    (path,) = lake.files("dead")
    path.unlink()
    assert (only(lake).kind, only(lake).path) == ("missing", final(lake, path))


@pytest.mark.parametrize(
    "name",
    [
        "copy.parquet",
        "orders-00000-00000000000000000000-00000000000000000010.live-1.copy.parquet",
        "orders-00000-00000000000000000000-00000000000000000011.live-1.parquet",
        "orders-00007-00000000000000000000-00000000000000000010.live-1.parquet",
        "orders-00000-00000000000000000000-00000000000000000010.live-2.parquet",
        "ingestion_date=2026-01-01/orders-00000-00000000000000000000-00000000000000000010.live-1.parquet",
    ],
)
@pytest.mark.parametrize("folder", ["raw/orders", "dead/orders", "raw/payments"])
def test_a_copy_under_another_name_is_a_stray(lake: Lake, folder: str, name: str) -> None:
    path = lake.root / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(lake.files("raw")[0], path)
    for quick in (False, True):
        defect = only(lake, quick=quick)
        assert (defect.kind, defect.path) == ("stray", final(lake, path))


def test_a_staged_file_published_by_hand_is_a_stray(lake: Lake) -> None:
    record = lake.claim(ORDERS_1).stage(5)
    path = lake.root / record.files[0].final
    os.link(lake.root / record.files[0].staged, path)
    defect = only(lake)
    assert (defect.kind, defect.path, defect.offsets) == ("stray", final(lake, path), OffsetRange(110, 115))
    assert "the ledger ends at 110" in defect.message


@pytest.mark.parametrize("at", [0, 40, -60, -9, -1])
def test_a_flipped_bit_in_data_or_footer_is_an_altered_file(lake: Lake, at: int) -> None:
    path = lake.files("raw")[2]
    flip(path, at)
    proof = prove(lake.ledger(), SUBJECT)
    assert ("altered", final(lake, path)) in [(defect.kind, defect.path) for defect in proof.defects]
    assert {defect.path for defect in proof.defects} == {final(lake, path)}


def test_a_cut_off_file_is_altered_even_when_looked_at_quickly(lake: Lake) -> None:
    path = lake.files("raw")[0]
    overwrite(path, path.read_bytes()[:-1])
    defect = only(lake, quick=True)
    assert (defect.kind, defect.path) == ("altered", final(lake, path))


@pytest.mark.parametrize("number", range(8))
def test_a_flipped_bit_in_any_ledger_entry_is_told_and_the_other_partition_is_proven(lake: Lake, number: int) -> None:
    path = entry_paths(lake, ORDERS_0)[number]
    flip(path, path.read_bytes().index(b'"writer":"') + 12)
    proof = prove(lake.ledger(), SUBJECT)
    assert {(defect.kind, defect.source) for defect in proof.defects} == {("ledger", ORDERS_0)}
    assert any(path.name in defect.message or f"entry {number}:" in defect.message for defect in proof.defects)
    assert proof.totals.partitions == 2
    assert proof.totals.rows >= 10  # of the other partition


def test_a_removed_entry_is_told(lake: Lake) -> None:
    path = entry_paths(lake, ORDERS_0)[2]
    path.unlink()
    defect = only(lake)
    assert (defect.kind, defect.source, defect.path) == ("ledger", ORDERS_0, final(lake, path))


def test_files_behind_a_damaged_entry_are_not_called_strays_but_said(lake: Lake) -> None:
    overwrite(entry_paths(lake, ORDERS_0)[1], b"{")
    proof = prove(lake.ledger(), SUBJECT)
    assert [defect.kind for defect in proof.defects] == ["ledger"]
    assert "4 files lie behind a damaged entry" in proof.notes[0]


def test_a_removed_last_entry_leaves_its_files_astray(lake: Lake) -> None:
    entry_paths(lake, ORDERS_1)[-1].unlink()
    defect = only(lake)
    assert (defect.kind, defect.source, defect.offsets) == ("stray", ORDERS_1, OffsetRange(100, 110))


def test_a_whole_ledger_that_is_gone_leaves_its_files_astray(lake: Lake) -> None:
    shutil.rmtree(lake.root / "_ledger/live-1/orders/00001")
    assert only(lake).kind == "stray"


def take(positions: list[int]) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.take(positions)


def with_offset(position: int, offset: int) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        offsets = table["_offset"].to_pylist()
        offsets[position] = offset
        return table.set_column(table.schema.get_field_index("_offset"), "_offset", pa.array(offsets, pa.int64()))

    return change


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (take([1, 0, 2, 3, 4, 5, 6, 7, 8, 9]), {("order", None)}),
        (take([0, 1, 2, 3, 4, 5, 6, 7, 8]), {("rows", (0, 10)), ("hole", (9, 10))}),
        (take([0, 1, 2, 2, 4, 5, 6, 7, 8, 9]), {("order", None), ("duplicate", (2, 3)), ("hole", (3, 4))}),
        (take([*range(10), 9]), {("rows", (0, 10)), ("order", None), ("duplicate", (9, 10))}),
        (with_offset(9, 500), {("foreign", (500, 501)), ("hole", (9, 10))}),
    ],
)
def test_rows_changed_by_somebody_who_forged_the_hashes_are_told_with_their_offsets(
    lake: Lake, change: Callable[[pa.Table], pa.Table], wanted: set[tuple[str, tuple[int, int] | None]]
) -> None:
    path = lake.files("raw")[0]
    forge_rows(lake, ORDERS_0, path, change)
    proof = prove(lake.ledger(), SUBJECT)
    found = {(kind, (span.first, span.next) if span else None) for kind, _, span in told(proof)}
    assert found == wanted
    assert all(defect.path in (final(lake, path), None) for defect in proof.defects)


def test_a_dead_letter_removed_with_forged_hashes_is_a_hole(lake: Lake) -> None:
    (path,) = lake.files("dead")
    forge_rows(lake, ORDERS_0, path, take([0]))
    found = {(kind, span) for kind, _, span in told(prove(lake.ledger(), SUBJECT))}
    assert found == {("rows", OffsetRange(10, 20)), ("hole", OffsetRange(18, 19))}


def test_a_dead_letter_that_landed_as_well_is_a_duplicate(lake: Lake) -> None:
    forge_rows(lake, ORDERS_0, lake.files("raw")[1], with_offset(0, 11))
    found = {(kind, span) for kind, _, span in told(prove(lake.ledger(), SUBJECT))}
    assert found == {("duplicate", OffsetRange(11, 12)), ("hole", OffsetRange(12, 13))}


def test_a_skipped_offset_that_stands_in_a_file_is_foreign(lake: Lake) -> None:
    forge_rows(lake, ORDERS_0, lake.files("raw")[1], with_offset(0, 10))
    found = {(kind, span) for kind, _, span in told(prove(lake.ledger(), SUBJECT))}
    assert found == {("foreign", OffsetRange(10, 11)), ("hole", OffsetRange(12, 13))}


def test_another_partitions_file_under_this_ones_name_is_told(lake: Lake) -> None:
    path = lake.files("raw")[0]
    overwrite(path, lake.files("raw")[-1].read_bytes())
    proof = prove(lake.ledger(), SUBJECT)
    assert {(defect.kind, defect.path) for defect in proof.defects} == {("altered", final(lake, path))}
    assert any("a row says another partition than 0" in defect.message for defect in proof.defects)


@pytest.mark.parametrize("partition", [1, None])
def test_a_row_of_another_partition_is_told_though_its_offset_is_right(lake: Lake, partition: int | None) -> None:
    def change(table: pa.Table) -> pa.Table:
        partitions = table["_partition"].to_pylist()
        partitions[3] = partition
        place = table.schema.get_field_index("_partition")
        return table.set_column(place, "_partition", pa.array(partitions, pa.int32()))

    path = lake.files("raw")[0]
    forge_rows(lake, ORDERS_0, path, change)
    defect = only(lake)
    assert (defect.kind, defect.path) == ("altered", final(lake, path))
    assert "a row says another partition than 0" in defect.message


@pytest.mark.parametrize("digits", [b"1", b"10"])
def test_a_line_of_another_partition_is_told_though_its_offset_is_right(tmp_path: Path, digits: bytes) -> None:
    lake = fill(Lake.make(tmp_path, starts={ORDERS_0: 0, ORDERS_1: 100}, format="jsonl", compression="none"))
    path = lake.files("raw")[0]
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b'"_partition":0', b'"_partition":' + digits)
    forge_file(lake, ORDERS_0, path, b"".join(lines))
    defect = only(lake)
    assert (defect.kind, defect.path) == ("altered", final(lake, path))
    assert "a row says another partition than 0" in defect.message


def test_wrong_counts_with_right_hashes_are_told(lake: Lake) -> None:
    def change(entries: list[Fields]) -> None:
        entries[1].update(landed=9, read=9)

    forge_ledger(lake, ORDERS_0, change)
    assert (only(lake).kind, only(lake).source) == ("ledger", ORDERS_0)


def test_counts_that_are_wrong_together_with_right_hashes_are_told_by_the_rows(lake: Lake) -> None:
    def change(entries: list[Fields]) -> None:
        entries[1].update(landed=9, read=9, holes=[[4, 5]])
        entries[1]["files"][0]["rows"] = 9

    forge_ledger(lake, ORDERS_0, change)
    found = {(kind, span) for kind, _, span in told(prove(lake.ledger(), SUBJECT))}
    assert found == {("rows", OffsetRange(0, 10)), ("foreign", OffsetRange(4, 5))}


def test_an_entry_taken_out_with_forged_hashes_is_a_hole(lake: Lake) -> None:
    def change(entries: list[Fields]) -> None:
        del entries[2]
        for seq, fields in enumerate(entries):
            fields["seq"] = seq

    forge_ledger(lake, ORDERS_0, change)
    found = told(prove(lake.ledger(), SUBJECT))
    assert ("hole", ORDERS_0, OffsetRange(10, 20)) in found
    assert sorted(kind for kind, _, _ in found) == ["hole", "stray", "stray"]


def test_an_entry_that_names_another_ones_file_is_told(lake: Lake) -> None:
    def change(entries: list[Fields]) -> None:
        entries[2]["files"][0]["final"] = entries[1]["files"][0]["final"]

    forge_ledger(lake, ORDERS_0, change)
    assert {"foreign", "altered", "duplicate", "stray"} <= set(prove(lake.ledger(), SUBJECT).counts)


def test_a_writer_that_never_claimed_is_told(lake: Lake) -> None:
    def change(entries: list[Fields]) -> None:
        entries[4]["writer"] = entries[1]["writer"]

    forge_ledger(lake, ORDERS_0, change)
    assert {kind for kind, _, _ in told(prove(lake.ledger(), SUBJECT))} == {"ledger"}


def test_a_committed_file_that_was_never_published_is_told_once_entries_follow(lake: Lake) -> None:
    landing = lake.claim(ORDERS_1)
    entry = landing.land(5)
    landing.land(5)
    path = lake.root / entry.files[0].final
    staged = lake.root / entry.files[0].staged
    staged.parent.mkdir(parents=True, exist_ok=True)
    path.rename(staged)
    defect = only(lake)
    assert (defect.kind, defect.path, defect.offsets) == ("unpublished", final(lake, path), OffsetRange(110, 115))


def test_a_committed_file_may_wait_for_its_final_name_while_only_claims_follow(lake: Lake) -> None:
    landing = lake.claim(ORDERS_1)
    entry = landing.land(5)
    lake.claim(ORDERS_1)
    path, staged = lake.root / entry.files[0].final, lake.root / entry.files[0].staged
    staged.parent.mkdir(parents=True, exist_ok=True)
    path.rename(staged)  # as if the last claim's owner had died before its second step
    proof = prove(lake.ledger(), SUBJECT)
    assert proof.holds
    assert proof.notes == [f"{final(lake, path)} is committed and not published yet"]


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("starts", {"orders": {"0": 5, "1": 100}}, "run"),
        ("starts", {"orders": {"0": 0, "1": 90}}, "hole"),
        ("topic_ids", {"orders": "another"}, "run"),
        ("pipeline", "invoices", "run"),
        ("group_id", "billing", "run"),
    ],
)
def test_an_edited_run_file_is_told(lake: Lake, field: str, value: object, kind: str) -> None:
    (path,) = lake.files("_runs")
    overwrite(path, orjson.dumps({**orjson.loads(path.read_bytes()), field: value}))
    assert kind in prove(lake.ledger(), SUBJECT).counts


def test_a_run_file_that_can_not_be_read_is_told_and_so_are_the_files_nobody_vouches_for(lake: Lake) -> None:
    (path,) = lake.files("_runs")
    overwrite(path, b"{}")
    proof = prove(lake.ledger(), SUBJECT)
    assert (proof.defects[0].kind, proof.counts["run"]) == ("run", 1)
    assert proof.defects[0].path == "_runs/live-1.json"
    assert proof.counts["stray"] == len(lake.files("raw")) + len(lake.files("dead"))


def test_two_runs_over_the_same_offsets_are_told(lake: Lake) -> None:
    again = Lake.make(lake.root, run="live-2", starts={ORDERS_0: 40})
    again.claim(ORDERS_0).land(10)
    assert told(prove(lake.ledger(), SUBJECT)) == [("duplicate", ORDERS_0, OffsetRange(40, 45))]
