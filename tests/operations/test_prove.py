"""`prove` finds nothing on a sound lake, does what its options say, and works beside a running engine."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.lake import Lake
from support.proofs import ORDERS_0, ORDERS_1, SUBJECT, fill, final, only
from support.tamper import Fields, entry_paths, flip, forge_ledger, overwrite

from streamlake.engine.entries import FileEntry, FileFacts
from streamlake.engine.operations.prove import Subject, prove
from streamlake.engine.records import TopicPartition


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return fill(Lake.make(tmp_path, starts={ORDERS_0: 0, ORDERS_1: 100}))


@pytest.mark.parametrize("columns", ["envelope", "value"])
@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
@pytest.mark.parametrize("partition_by", ["none", "ingestion_date", "record_hour"])
def test_a_sound_lake_has_no_defect_and_its_totals_add_up(
    tmp_path: Path, file_format: str, columns: str, partition_by: str
) -> None:
    lake = Lake.make(tmp_path, starts={ORDERS_1: 100}, format=file_format, columns=columns, partition_by=partition_by)
    proof = prove(fill(lake).ledger(), SUBJECT)
    totals = proof.totals
    assert (proof.defects, proof.notes, proof.holds) == ([], [], True)
    assert (totals.runs, totals.partitions, totals.entries) == (1, 2, 10)
    assert (totals.rows, totals.dead_letters, totals.skipped, totals.holes, totals.gaps) == (34, 2, 2, 12, 5)
    assert totals.offsets == 55 == 34 + 2 + 2 + 12 + 5
    assert totals.files == len(lake.files("raw")) + len(lake.files("dead"))
    assert totals.bytes == sum(path.stat().st_size for path in lake.files("raw") + lake.files("dead"))


def test_an_entry_of_several_files_is_proven_over_all_of_them(tmp_path: Path) -> None:
    lake = Lake.make(tmp_path, partition_by="record_hour")
    lake.claim(ORDERS_0).land(3000, refused=[1500])
    assert len(lake.files("raw")) > 2
    assert prove(lake.ledger(), SUBJECT).defects == []
    lake.files("raw")[1].unlink()
    assert only(lake).kind == "missing"


def test_what_the_newest_entry_has_staged_is_no_defect_but_said(lake: Lake) -> None:
    lake.claim(ORDERS_1).land(5, publish=False)
    proof = prove(lake.ledger(), SUBJECT)
    assert proof.holds
    assert [note for note in proof.notes if "not published yet" in note]
    lake.claim(ORDERS_1)  # rolls it forward
    assert prove(lake.ledger(), SUBJECT).notes == []


def test_a_root_without_a_run_proves_nothing_and_says_so(lake: Lake) -> None:
    shutil.rmtree(lake.root)
    assert "no run has landed anything here" in only(lake).message


def test_another_pipelines_root_is_not_taken_for_ours(lake: Lake) -> None:
    proof = prove(lake.ledger(), Subject("invoices", "billing", ["orders"]))
    assert [(defect.kind, defect.run) for defect in proof.defects] == [("run", "live-1")] * 2


# -- options -------------------------------------------------------------------------------------------------------


def test_a_limit_cuts_the_list_and_not_the_counts(lake: Lake) -> None:
    for path in lake.files("raw"):
        path.unlink()
    proof = prove(lake.ledger(), SUBJECT, limit=2)
    assert (len(proof.defects), proof.counts["missing"]) == (2, 4)


def test_quick_opens_no_file(lake: Lake) -> None:
    path = lake.files("raw")[0]
    flip(path, 40)
    assert prove(lake.ledger(), SUBJECT, quick=True).holds


def test_since_leaves_out_older_entries_and_files_but_not_the_chain(lake: Lake) -> None:
    def change(entries: list[Fields]) -> None:
        for fields in entries[:4]:
            fields["committed_at"] = "2020-01-01T00:00:00+00:00"

    forge_ledger(lake, ORDERS_0, change)
    since = datetime.now(UTC) - timedelta(hours=1)
    lake.files("raw")[0].unlink()
    proof = prove(lake.ledger(), SUBJECT, since=since)
    assert proof.holds
    assert proof.totals.entries == 6
    assert proof.totals.offsets == 35
    path = lake.files("raw")[1]
    path.unlink()
    assert only(lake, since=since).path == final(lake, path)


def test_since_finds_a_stray_in_the_range_it_looks_at(lake: Lake) -> None:
    path = lake.root / "raw/orders/orders-00000-00000000000000000035-00000000000000000044.live-1.parquet"
    shutil.copy(lake.files("raw")[0], path)
    assert only(lake, since=datetime.now(UTC) - timedelta(hours=1)).path == final(lake, path)


def test_since_a_time_after_the_last_entry_looks_at_none_and_accuses_none(lake: Lake) -> None:
    proof = prove(lake.ledger(), SUBJECT, since=datetime.now(UTC) + timedelta(hours=1))
    assert (proof.holds, proof.totals.entries, proof.totals.partitions) == (True, 0, 2)


# -- beside a running engine ---------------------------------------------------------------------------------------


class Meanwhile:
    """A ledger, and an engine that does something at the moment when a method of it is first asked for."""

    def __init__(self, lake: Lake, method: str, happens: Callable[[], object]) -> None:
        self._ledger, self._method, self._happens = lake.ledger(), method, happens

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            self._method = ""
            self._happens()
        return getattr(self._ledger, name)


def meanwhile(lake: Lake, method: str, happens: Callable[[], object]) -> Any:
    return Meanwhile(lake, method, happens)


def test_what_an_engine_lands_before_the_folders_are_listed_is_no_stray(lake: Lake) -> None:
    landing = lake.claim(ORDERS_1)
    proof = prove(meanwhile(lake, "visible", lambda: landing.land(5, refused=[1])), SUBJECT)
    assert proof.defects == []


def test_a_partition_that_appears_meanwhile_is_no_stray(lake: Lake) -> None:
    proof = prove(meanwhile(lake, "visible", lambda: lake.claim(TopicPartition("orders", 2)).land(5)), SUBJECT)
    assert proof.defects == []


def test_what_an_engine_publishes_after_it_was_seen_staged_is_not_accused(lake: Lake) -> None:
    landing = lake.claim(ORDERS_1)
    record = landing.stage(5)
    landing.end.commit(record)

    def go_on() -> None:
        landing.end.publish(record)
        landing.land(5)

    ledger = meanwhile(lake, "", lambda: None)
    inspect = lake.ledger().inspect
    seen: list[str] = []

    def slow(file: FileEntry, *, checksum: bool) -> FileFacts | None:
        facts = inspect(file, checksum=checksum)
        if facts is not None and not facts.published:
            seen.append(facts.path)
            go_on()
        return facts

    ledger.inspect = slow
    proof = prove(ledger, SUBJECT)
    assert (len(seen), proof.defects) == (1, [])


def test_a_ledger_damaged_after_it_was_read_is_told_and_its_new_files_are_not_called_strays(lake: Lake) -> None:
    def damage() -> None:
        lake.claim(ORDERS_1).land(5)
        overwrite(entry_paths(lake, ORDERS_1)[-1], b"{")

    proof = prove(meanwhile(lake, "visible", damage), SUBJECT)
    assert [defect.kind for defect in proof.defects] == ["ledger"]
