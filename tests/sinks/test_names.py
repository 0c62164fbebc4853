"""Names and folders: which row lies where, for every legal topic, any timestamp and any run."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sinks.making import NOW, ORDERS, batch, claimed, files, landed, staged

from streamlake.engine import names
from streamlake.engine.records import OffsetRange, TopicPartition, Verdict
from streamlake.plugins.sinks.file import layout, partitioning
from streamlake.plugins.sinks.file.partitioning import PartitionBy, groups_of, ingestion_folder
from streamlake.plugins.sinks.file.reader import FileLedger
from streamlake.plugins.sinks.file.sink import FileSink

TOPICS = st.from_regex(r"[a-zA-Z0-9._-]{1,249}", fullmatch=True).filter(lambda topic: topic not in {".", ".."})


@given(TOPICS, TOPICS)
def test_no_two_topics_share_a_folder_and_none_is_hidden_or_leads_elsewhere(one: str, other: str) -> None:
    folder = names.topic_folder(one)
    assert names.topic_of(folder) == one
    assert (folder == names.topic_folder(other)) == (one == other)
    assert folder[0] not in "._"
    assert "/" not in folder
    assert len(folder) <= 255


@given(TOPICS, st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1))
def test_every_file_name_fits_and_says_its_partition_and_range(topic: str, partition: int, first: int) -> None:
    source, run = TopicPartition(topic, partition), "r" * 64
    path = names.final_path(
        "raw", run, source, OffsetRange(first, 2**63 - 1), "ingestion_date=2026-01-01", ".jsonl.zst"
    )
    kind, folder, day, name = path.split("/")
    assert (kind, folder, day) == ("raw", names.topic_folder(topic), "ingestion_date=2026-01-01")
    assert name.endswith(f"-{partition:05d}-{first:020d}-{2**63 - 1:020d}.{run}.jsonl.zst")
    assert len(name) <= names.FILE_NAME_BYTES_MAX
    assert name[0] not in "._"


def test_a_name_is_as_the_design_says() -> None:
    path = names.final_path("dead", "live-1", ORDERS, OffsetRange(5, 9), "", ".parquet")
    assert path == "dead/orders/orders-00003-00000000000000000005-00000000000000000009.live-1.parquet"
    assert layout.entry_path("live-1", ORDERS, 12_345) == "_ledger/live-1/orders/00003/00000012/000000012345.json"
    assert layout.epoch_folder("live-1", ORDERS, 7) == "_stage/live-1/orders/00003/00000007"
    assert layout.run_path("live-1") == "_runs/live-1.json"


def test_two_long_topics_with_the_same_beginning_have_different_file_names() -> None:
    found = {
        names.final_path(
            "raw", "live-1", TopicPartition("x" * 248 + end, 0), OffsetRange(0, 1), "", ".parquet"
        ).rpartition("/")[2]
        for end in "ab"
    }
    assert len(found) == 2


DAY, HOUR = 86_400_000, 3_600_000


@pytest.mark.parametrize(
    ("by", "folder"),
    [
        ("none", ""),
        ("ingestion_date", "ingestion_date=2026-01-02"),
        ("ingestion_hour", "ingestion_hour=2026-01-02-23"),
        ("record_date", "ingestion_date=2026-01-02"),
        ("record_hour", "ingestion_hour=2026-01-02-23"),
    ],
)
def test_dead_letters_lie_by_the_time_they_were_refused(by: PartitionBy, folder: str) -> None:
    assert ingestion_folder(by, NOW) == folder
    assert ingestion_folder(by, NOW.astimezone(None)) == folder, "in UTC, wherever the host is"


@pytest.mark.parametrize(
    ("by", "timestamp_ms", "folder"),
    [
        ("record_date", 0, "record_date=1970-01-01"),
        ("record_date", DAY - 1, "record_date=1970-01-01"),
        ("record_date", DAY, "record_date=1970-01-02"),
        ("record_hour", DAY + HOUR, "record_hour=1970-01-02-01"),
        ("record_date", 253_402_300_799_999, "record_date=9999-12-31"),
        ("record_hour", 253_402_300_799_999, "record_hour=9999-12-31-23"),
        ("record_date", 253_402_300_800_000, "record_date=__invalid__"),
        ("record_date", -1, "record_date=__invalid__"),
        ("record_hour", 2**63 - 1, "record_hour=__invalid__"),
    ],
)
def test_a_record_lies_by_its_own_time_and_an_absurd_one_apart(by: PartitionBy, timestamp_ms: int, folder: str) -> None:
    assert groups_of(batch([b"1"], timestamps_ms=[timestamp_ms]), by, NOW) == [(folder, None)]


def test_a_record_without_a_time_lies_apart() -> None:
    assert groups_of(batch([b"1"], untimed=True), "record_date", NOW) == [("record_date=__invalid__", None)]


def test_rows_are_grouped_by_value_and_keep_their_order() -> None:
    of = batch([b"1"] * 5, timestamps_ms=[DAY, 0, DAY, -5, 1])
    assert groups_of(of, "record_date", NOW) == [
        ("record_date=__invalid__", [3]),
        ("record_date=1970-01-01", [1, 4]),
        ("record_date=1970-01-02", [0, 2]),
    ]
    assert groups_of(of, "ingestion_date", NOW) == [("ingestion_date=2026-01-02", None)]
    assert groups_of(batch([]), "record_date", NOW) == groups_of(batch([]), "none", NOW) == []


def test_one_entry_has_one_file_for_each_value_and_every_row_once(tmp_path: Path) -> None:
    sink = claimed(tmp_path, partition_by="record_hour")
    entry = landed(sink, batch([b"1", b"2", b"3"], timestamps_ms=[HOUR, 0, HOUR]), refused=[1])
    name = "orders-00003-00000000000000000000-00000000000000000003.live-1.parquet"
    assert [(file.kind, file.final, file.rows) for file in entry.files] == [
        ("raw", f"raw/orders/record_hour=1970-01-01-01/{name}", 2),
        ("dead", f"dead/orders/ingestion_hour=2026-01-02-23/{name}", 1),
    ]


def test_a_batch_of_too_many_values_says_where_to_cut_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitioning, "FILES_MAX", 2)
    of = batch([b"1"] * 6, timestamps_ms=[0, DAY, 0, DAY, 2 * DAY, 0])
    assert claimed(tmp_path / "a", partition_by="record_date").stage().fits(of) == 4
    assert claimed(tmp_path / "b", partition_by="ingestion_date").stage().fits(of) == 6
    few = batch([b"1"] * 3, timestamps_ms=[0, DAY, 0])
    assert claimed(tmp_path / "c", partition_by="record_date").stage().fits(few) == 3
    first, rest = of.cut(4)
    sink = claimed(tmp_path / "d", partition_by="record_date")
    assert [len(landed(sink, part).files) for part in (first, rest)] == [2, 2]
    assert sink.stage().fits(rest) == len(rest)


def test_the_slices_of_one_batch_share_its_files_and_their_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitioning, "FILES_MAX", 2)
    with claimed(tmp_path, partition_by="record_date").stage() as stage:
        stage.add(batch([b"1", b"2"], timestamps_ms=[0, DAY]), Verdict(), [])
        assert stage.fits(batch([b"3"] * 3, 2, timestamps_ms=[DAY, 0, 2 * DAY])) == 2
        assert stage.fits(batch([b"3"], 2, timestamps_ms=[2 * DAY])) == 0
        stage.add(batch([b"3"], 2, timestamps_ms=[DAY]), Verdict(), [])
        record = stage.seal()
    assert [file.rows for file in record.files] == [1, 2]
    assert record.range == OffsetRange(0, 3)


def test_the_ledger_knows_partitions_heads_and_what_is_visible(tmp_path: Path) -> None:
    sink = FileSink.from_options({"root": str(tmp_path)}, base_dir=tmp_path)
    landed(claimed(tmp_path), batch([b"1"]), refused=[0])
    (tmp_path / "raw/orders").mkdir(parents=True)
    (tmp_path / "raw/orders/stranger.parquet").write_bytes(b"")
    ledger = sink.ledger()
    assert isinstance(ledger, FileLedger)
    assert ledger.partitions("live-1") == [ORDERS]
    assert ledger.partitions("live-2") == []
    (tmp_path / "_ledger/live-1/orders/00009/00000000").mkdir(parents=True)
    assert ledger.partitions("live-1") == [ORDERS], "whoever made those folders died before the first entry"
    assert (ledger.head("live-1", ORDERS).seq, ledger.head("live-1", TopicPartition("orders", 0)).seq) == (1, -1)
    assert sorted(ledger.visible("orders")) == [*files(tmp_path, "dead"), "raw/orders/stranger.parquet"]
    assert list(ledger.visible("payments")) == []
    entry = list(ledger.entries("live-1", ORDERS))[1]
    facts = ledger.inspect(entry.files[0], checksum=True)
    assert facts is not None
    assert (facts.path, facts.published, facts.bytes, facts.sha256) == (
        entry.files[0].final,
        True,
        entry.files[0].bytes,
        entry.files[0].sha256,
    )


def test_a_file_between_its_names_is_found_under_either(tmp_path: Path) -> None:
    sink = claimed(tmp_path)
    record = staged(sink, batch([b"1"]))
    sink.commit(record)
    facts = (
        FileSink.from_options({"root": str(tmp_path)}, base_dir=tmp_path)
        .ledger()
        .inspect(record.files[0], checksum=False)
    )
    assert facts is not None
    assert (facts.published, facts.sha256, facts.path) == (False, None, record.files[0].staged)
