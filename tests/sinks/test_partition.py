"""One partition's end of the sink: claims, fencing, roll-forward, collection, and what each step leaves on disk."""

from pathlib import Path

import pytest
from sinks.making import batch, claimed, files, landed, letter, partition, staged
from structlog.testing import capture_logs

from streamlake.engine.entries import Head
from streamlake.engine.errors import FencedError, StorageError
from streamlake.engine.records import OffsetRange
from streamlake.plugins.sinks.file.backends.local import LocalBackend, LocalStaging
from streamlake.plugins.sinks.file.partition import CLAIM_ATTEMPTS

RAW = "raw/orders/ingestion_date=2026-01-02/orders-00003-{:020d}-{:020d}.live-1.parquet"
DEAD = "dead/orders/ingestion_date=2026-01-02/orders-00003-{:020d}-{:020d}.live-1.parquet"


def test_a_new_partition_begins_at_the_runs_start(tmp_path: Path) -> None:
    sink = partition(tmp_path, start=5)
    head = sink.head()
    assert head == Head(seq=-1, next=5, leader_epoch=None, topic_id=None, claims=0)
    assert files(tmp_path) == [], "looking writes nothing"
    assert sink.claim(head).next == 5
    again = sink.head()
    assert (again.seq, again.next, again.claims, again.topic_id) == (0, 5, 1, "id")


def test_each_step_is_visible_where_it_should_be_and_nowhere_else(tmp_path: Path) -> None:
    sink = claimed(tmp_path, start=5)
    record = staged(sink, batch([b"1", b"2", b"3", b"4"], 5), refused=[1], skipped=[3])
    assert files(tmp_path, "raw") == files(tmp_path, "dead") == []
    assert files(tmp_path, "_stage") == sorted(file.staged for file in record.files)
    assert sink.head().seq == 0
    entry = sink.commit(record)
    assert files(tmp_path, "raw") == files(tmp_path, "dead") == []
    sink.publish(record)
    assert files(tmp_path, "raw") == [RAW.format(5, 9)]
    assert files(tmp_path, "dead") == [DEAD.format(5, 9)]
    assert files(tmp_path, "_stage") == []
    assert sink.head().last == entry


def test_an_entry_says_all_that_became_of_its_offsets(tmp_path: Path) -> None:
    sink = claimed(tmp_path)
    of = batch([b"1", b"2", b"3", b"4"], 0)
    entry = landed(sink, of, refused=[1], skipped=[3])
    assert (entry.kind, entry.seq, entry.epoch, entry.range) == ("data", 1, 1, OffsetRange(0, 4))
    assert (entry.read, entry.landed, entry.refused, entry.skipped) == (4, 2, 1, 1)
    assert (entry.holes, entry.skipped_offsets, entry.leader_epoch) == ((), (OffsetRange(3, 4),), 7)
    assert [(file.kind, file.rows) for file in entry.files] == [("raw", 2), ("dead", 1)]
    assert [(file.timestamp_ms_min, file.timestamp_ms_max) for file in entry.files] == [(1_700_000_000_000,) * 2] * 2
    assert (entry.format, entry.columns, entry.validator, entry.fingerprint) == (
        "parquet",
        "envelope",
        "json",
        "fingerprint",
    )
    assert entry.committed_at == "2026-01-02T23:59:59.000+00:00"


@pytest.mark.parametrize(("refused", "kinds"), [([0, 1], ["dead"]), ([], ["raw"])])
def test_an_empty_file_is_never_staged(tmp_path: Path, refused: list[int], kinds: list[str]) -> None:
    record = staged(claimed(tmp_path), batch([b"1", b"2"]), refused)
    assert [file.kind for file in record.files] == kinds


def test_a_batch_of_holes_alone_is_an_entry_without_files(tmp_path: Path) -> None:
    sink = claimed(tmp_path)
    nothing = batch([])
    record = staged(sink, type(nothing)(nothing.source, OffsetRange(0, 9), 1, [], [], [], [], [], []))
    entry = sink.commit(record)
    assert (entry.next, entry.holes, entry.files) == (9, (OffsetRange(0, 9),), ())
    sink.publish(record)
    assert files(tmp_path, "raw") == []


def test_a_batch_over_no_offsets_is_not_committed(tmp_path: Path) -> None:
    sink = claimed(tmp_path)
    with pytest.raises(AssertionError, match="over no offsets"):
        sink.commit(staged(sink, batch([])))


def test_the_next_batch_may_be_staged_before_this_one_is_published_but_not_committed(tmp_path: Path) -> None:
    sink = claimed(tmp_path)
    first, second = staged(sink, batch([b"1"], 0)), None
    sink.commit(first)
    second = staged(sink, batch([b"2"], 1))
    with pytest.raises(AssertionError, match="before all of the entry before is published"):
        sink.commit(second)
    sink.publish(first)
    sink.publish(first)
    assert sink.commit(second).first == 1


def test_a_batch_that_does_not_begin_where_the_ledger_ends_is_not_committed(tmp_path: Path) -> None:
    sink = claimed(tmp_path)
    with pytest.raises(AssertionError, match=r"\[1, 2\) does not begin at the ledger's 0"):
        sink.commit(staged(sink, batch([b"1"], 1)))


def test_a_newer_claim_fences_whoever_held_the_partition(tmp_path: Path) -> None:
    zombie = claimed(tmp_path)
    record = staged(zombie, batch([b"zombie"]))
    owner = claimed(tmp_path)
    with pytest.raises(FencedError, match="another writer has taken ledger entry 1"):
        zombie.commit(record)
    with pytest.raises(AssertionError, match="a writer whose append failed is at its end"):
        staged(zombie, batch([b"zombie"]))
    landed(owner, batch([b"owner"]))
    assert files(tmp_path, "raw") == [RAW.format(0, 1)]


def test_a_zombie_whose_staged_files_were_collected_is_fenced_not_failed(tmp_path: Path) -> None:
    zombie = claimed(tmp_path)
    claimed(tmp_path)
    record = staged(zombie, batch([b"zombie"]))
    with pytest.raises(FencedError):
        zombie.commit(record)
    claimed(tmp_path)
    assert files(tmp_path, "_stage") == []


def test_a_zombie_whose_file_is_collected_while_it_is_staged_is_fenced_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zombie = claimed(tmp_path)
    real = LocalBackend.stored

    def collected_before_the_look(backend: LocalBackend, path: str) -> object:
        monkeypatch.setattr(LocalBackend, "stored", real)
        claimed(tmp_path)
        return real(backend, path)

    monkeypatch.setattr(LocalBackend, "stored", collected_before_the_look)
    with pytest.raises(FencedError, match="another writer has taken ledger entry 1"):
        staged(zombie, batch([b"zombie"]))


def test_a_zombie_whose_entry_is_collected_while_it_is_synced_is_fenced_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zombie = claimed(tmp_path)
    record = staged(zombie, batch([b"zombie"]))
    real = LocalStaging.seal

    def collected_before_the_sync(staging: LocalStaging) -> None:
        monkeypatch.setattr(LocalStaging, "seal", real)
        claimed(tmp_path)
        real(staging)

    monkeypatch.setattr(LocalStaging, "seal", collected_before_the_sync)
    with pytest.raises(FencedError, match="another writer has taken ledger entry 1"):
        zombie.commit(record)


def test_a_zombie_whose_folder_is_collected_as_often_as_it_is_made_is_fenced_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zombie = claimed(tmp_path)
    record = staged(zombie, batch([b"zombie"]))
    real = LocalBackend.create

    def collected_before_it_is_opened(backend: LocalBackend, path: str) -> object:
        monkeypatch.setattr(LocalBackend, "create", real)
        claimed(tmp_path)
        raise StorageError(f"can't create {path}") from FileNotFoundError(path)

    monkeypatch.setattr(LocalBackend, "create", collected_before_it_is_opened)
    with pytest.raises(FencedError, match="another writer has taken ledger entry 1"):
        zombie.commit(record)


def test_a_stale_head_costs_a_lost_claim_and_is_looked_up_again(tmp_path: Path) -> None:
    sink = partition(tmp_path)
    stale = sink.head()
    landed(claimed(tmp_path), batch([b"1", b"2"]))
    recovered = sink.claim(stale)
    assert recovered.next == 2
    assert sink.head().claims == 1


def test_a_claim_that_is_lost_again_and_again_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = partition(tmp_path)
    looked = []
    real = sink.head

    def head() -> Head:
        looked.append(real())
        claimed(tmp_path)  # somebody else is always quicker
        return looked[-1]

    monkeypatch.setattr(sink, "head", head)
    with pytest.raises(FencedError, match="nothing of this one's claim was committed"):
        sink.claim(sink.head())
    assert len(looked) == CLAIM_ATTEMPTS


def test_claims_that_did_nothing_are_counted(tmp_path: Path) -> None:
    heads = []
    for _ in range(40):
        sink = partition(tmp_path)
        heads.append(sink.head().claims)
        sink.claim(sink.head())
    assert heads == list(range(40))
    landed(sink, batch([b"1"]))
    assert sink.head().claims == 0


def test_the_next_claim_publishes_what_was_committed_and_returns_its_letters(tmp_path: Path) -> None:
    died = claimed(tmp_path)
    of = batch([b"1", b"2"])
    died.commit(staged(died, of, refused=[1]))
    sink = partition(tmp_path)
    recovered = sink.claim(sink.head())
    assert (recovered.next, recovered.leader_epoch) == (2, 7)
    assert list(recovered.unsent) == [letter(of, 1)]
    assert files(tmp_path, "raw") + files(tmp_path, "dead") == [RAW.format(0, 2), DEAD.format(0, 2)]
    assert files(tmp_path, "_stage") == []


def test_letters_are_returned_until_an_entry_follows_that_shows_that_they_were_sent(tmp_path: Path) -> None:
    of = batch([b"1", b"2"])
    landed(claimed(tmp_path), of, refused=[1])
    for _ in range(2):
        sink = partition(tmp_path)
        assert list(sink.claim(sink.head()).unsent) == [letter(of, 1)]
    sink.skip_to(9, "expired")
    sink = partition(tmp_path)
    assert list(sink.claim(sink.head()).unsent) == [letter(of, 1)], "a gap does not say that anything was sent"
    landed(sink, batch([b"3"], 9))
    sink = partition(tmp_path)
    assert list(sink.claim(sink.head()).unsent) == []


def test_after_a_close_nothing_is_sent_again(tmp_path: Path) -> None:
    sink = claimed(tmp_path)
    landed(sink, batch([b"1", b"2"]), refused=[1])
    sink.close()
    assert sink.head().last is not None
    again = partition(tmp_path)
    assert list(again.claim(again.head()).unsent) == []


def test_a_close_says_that_nobody_died_and_nothing_follows_one(tmp_path: Path) -> None:
    idle = claimed(tmp_path)
    idle.close()
    assert (idle.head().seq, idle.head().claims) == (1, 0)
    sink = claimed(tmp_path)
    landed(sink, batch([b"1"]))
    sink.close()
    sink.close()
    head = sink.head()
    assert (head.seq, head.last and head.last.kind, head.next) == (4, "close", 1)
    with pytest.raises(AssertionError, match="nothing but another claim follows a close"):
        sink.commit(staged(sink, batch([b"2"], 1)))


def test_a_half_finished_publish_is_finished(tmp_path: Path) -> None:
    died = claimed(tmp_path)
    record = staged(died, batch([b"1", b"2"]), refused=[1])
    died.commit(record)
    LocalBackend(tmp_path).publish(record.files[0])
    (tmp_path / record.files[0].staged).hardlink_to(tmp_path / record.files[0].final)  # a death before the unlink
    claimed(tmp_path)
    assert files(tmp_path, "_stage") == []
    assert files(tmp_path, "raw") + files(tmp_path, "dead") == [RAW.format(0, 2), DEAD.format(0, 2)]


def test_other_bytes_under_a_final_name_stop_the_partition_before_anything_is_collected(tmp_path: Path) -> None:
    died = claimed(tmp_path)
    record = staged(died, batch([b"1"]))
    died.commit(record)
    (tmp_path / record.files[0].final).parent.mkdir(parents=True)
    (tmp_path / record.files[0].final).write_bytes(b"somebody else's")
    with pytest.raises(StorageError, match="holds other bytes"):
        claimed(tmp_path)
    assert files(tmp_path, "_stage") == [record.files[0].staged]
    (tmp_path / record.files[0].final).unlink()
    claimed(tmp_path)
    assert files(tmp_path, "raw") == [RAW.format(0, 1)]


def test_a_committed_file_that_is_gone_is_said_and_counted_and_the_partition_goes_on(tmp_path: Path) -> None:
    died = claimed(tmp_path)
    record = staged(died, batch([b"1", b"2"]), refused=[1])
    died.commit(record)
    for file in record.files:
        (tmp_path / file.staged).unlink()
    sink = partition(tmp_path)
    with capture_logs() as logs:
        recovered = sink.claim(sink.head())
    assert (recovered.next, list(recovered.unsent), sink.missing_files) == (2, [], 2)
    assert {said["event"] for said in logs} == {"committed, but the file is gone"}
    assert RAW.format(0, 2) in [said["final"] for said in logs]


def test_what_was_committed_survives_two_dead_owners_that_did_not_roll_forward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim made and its owner dead before the roll-forward, twice: free space may take all but what is named."""
    died = claimed(tmp_path)
    record = staged(died, batch([b"1"]))
    died.commit(record)
    staged(died, batch([b"2"], 1))  # never committed
    with monkeypatch.context() as dying:
        dying.setattr(LocalBackend, "publish", lambda _backend, _file: pytest.fail("dead"))
        for _ in range(2):
            with pytest.raises(pytest.fail.Exception):
                claimed(tmp_path)
    assert files(tmp_path, "_stage") == [record.files[0].staged]
    claimed(tmp_path)
    assert files(tmp_path, "raw") == [RAW.format(0, 1)]
    assert files(tmp_path, "_stage") == []


def test_the_epoch_folders_of_the_past_do_not_pile_up(tmp_path: Path) -> None:
    for offset in range(5):
        landed(claimed(tmp_path), batch([b"1"], offset))
    stage = tmp_path / "_stage/live-1/orders/00003"
    assert [folder.name for folder in stage.iterdir()] == ["00000005"]


def test_a_gap_gives_offsets_up_with_its_reason(tmp_path: Path) -> None:
    sink = claimed(tmp_path)
    landed(sink, batch([b"1"]))
    sink.skip_to(100, "expired: retention")
    gap = sink.head().last
    assert gap is not None
    assert (gap.kind, gap.range, gap.holes, gap.reason) == (
        "gap",
        OffsetRange(1, 100),
        (OffsetRange(1, 100),),
        "expired: retention",
    )
    assert gap.leader_epoch is None, "the epoch belongs to a position, and nobody has read at this one"
    assert landed(sink, batch([b"2"], 100)).first == 100


def test_a_file_that_the_storage_holds_otherwise_is_not_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = claimed(tmp_path)
    real = LocalBackend.stored

    def flipped(backend: LocalBackend, path: str) -> object:
        (tmp_path / path).write_bytes((tmp_path / path).read_bytes()[:-1] + b"?")
        return real(backend, path)

    monkeypatch.setattr(LocalBackend, "stored", flipped)
    with pytest.raises(StorageError, match="nothing was committed"):
        staged(sink, batch([b"1"]))
    assert sink.head().seq == 0
