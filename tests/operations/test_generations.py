"""From one live generation to the next: what readers see, what is proven, and that a death at any step is finished."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from support.generations import assert_sound, change, promoted, replayed, reset_to, seen, spans
from support.lake import Lake
from support.proofs import ORDERS_0, SUBJECT

from streamlake.engine.abilities import RunKeeper
from streamlake.engine.contracts import PartitionJob
from streamlake.engine.errors import ConfigError, FencedError, SupersededError
from streamlake.engine.generations import came_to, newest_generation, next_name, number_of
from streamlake.engine.letters import NoCopies
from streamlake.engine.operations import generation_change
from streamlake.engine.operations.generation_change import finish, run_keeper
from streamlake.engine.operations.lineage import Lineage, live_entries, live_sources
from streamlake.engine.operations.prove import prove
from streamlake.engine.records import DeadLetter, OffsetRange


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Three entries of ten offsets each, the second one with a dead letter."""
    lake = Lake.make(tmp_path, starts={ORDERS_0: 0})
    landing = lake.claim(ORDERS_0)
    landing.land(10)
    landing.land(10, refused=[5])
    landing.land(10)
    return lake


def test_a_generation_is_told_by_its_name_and_the_newest_has_the_highest_number(lake: Lake) -> None:
    assert [number_of(run) for run in ("live-1", "live-10", "live-0", "live-01", "replay-1", "live-x")] == [
        *(1, 10),
        *(None,) * 4,
    ]
    assert next_name("live-9") == "live-10"
    reset_to(lake, 10)
    newest = newest_generation(lake.ledger().runs())
    assert newest is not None
    assert newest.run == "live-2"


def test_one_generation_alone_has_nothing_to_finish(lake: Lake) -> None:
    assert not change(lake)
    assert seen(lake) == [("live-1", 0, 10), ("live-1", 10, 20), ("live-1", 20, 30)]
    assert live_sources(lake.ledger()) == [ORDERS_0]


def test_a_reset_supersedes_what_lies_behind_it_and_the_proof_follows(lake: Lake) -> None:
    again = reset_to(lake, 10)
    assert change(lake)
    assert seen(lake) == [("live-1", 0, 10)]
    assert len(lake.files("superseded/live-1")) == 3  # two raw files and a dead one
    assert_sound(lake)
    again.claim(ORDERS_0).land(15)
    assert not change(lake)  # it was finished before anything was claimed
    assert seen(lake) == [("live-1", 0, 10), ("live-2", 10, 25)]
    assert_sound(lake)


def test_a_second_reset_supersedes_parts_of_both_generations(lake: Lake) -> None:
    second = reset_to(lake, 20)
    assert change(lake)
    second.claim(ORDERS_0).land(10)
    third = reset_to(lake, 10, "live-3")
    assert change(lake)
    assert seen(lake) == [("live-1", 0, 10)]
    third.claim(ORDERS_0).land(5)
    assert seen(lake) == [("live-1", 0, 10), ("live-3", 10, 15)]
    assert_sound(lake)


def test_a_superseded_file_that_is_altered_is_found_where_it_lies_and_one_that_is_gone_is_a_note(lake: Lake) -> None:
    reset_to(lake, 20)
    change(lake)
    (path,) = lake.files("superseded/live-1")
    path.write_bytes(b"else")
    assert next(defect.kind for defect in prove(lake.ledger(), SUBJECT).defects) == "altered"
    path.unlink()
    proof = prove(lake.ledger(), SUBJECT)
    assert proof.holds
    (note,) = proof.notes
    assert "superseded files of run live-1 are gone, 1 of them, within [20, 30)" in note


def test_files_that_were_lost_before_a_replay_took_their_place_are_a_note_and_those_beside_it_missing(
    lake: Lake,
) -> None:
    lost, beside = lake.files()[1], lake.files()[2]
    lost.unlink()
    lake.files("dead")[0].unlink()
    promoted(lake, replayed(lake))
    assert {defect.kind for defect in prove(lake.ledger(), SUBJECT).defects} == set(), "also before it is finished"
    change(lake)
    proof = prove(lake.ledger(), SUBJECT)
    assert (proof.defects, len(proof.notes)) == ([], 1)
    assert "superseded files of run live-1 are gone, 2 of them, within [10, 20)" in proof.notes[0]
    beside.unlink()
    assert [defect.kind for defect in prove(lake.ledger(), SUBJECT).defects] == ["missing"]


def test_a_superseded_ledger_takes_nothing_any_more(lake: Lake) -> None:
    held = lake.claim(ORDERS_0)
    reset_to(lake, 30)
    change(lake)
    with pytest.raises(FencedError):
        held.land(5)
    with pytest.raises(SupersededError, match="closed for good"):
        lake.claim(ORDERS_0)
    assert_sound(lake)


def test_an_entry_behind_a_final_close_is_a_defect(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    reset_to(lake, 30)
    change(lake)
    monkeypatch.setattr("streamlake.engine.entries.Head.final", property(lambda _head: False))
    lake.claim(ORDERS_0)
    monkeypatch.undo()
    (defect,) = prove(lake.ledger(), SUBJECT).defects
    assert "close that was final" in defect.message


def test_a_promoted_replay_stands_in_the_middle_and_live_goes_on_behind(lake: Lake) -> None:
    replay = replayed(lake)
    assert_sound(lake)
    assert seen(lake) == [("live-1", 0, 10), ("live-1", 10, 20), ("live-1", 20, 30)]
    promotion = promoted(lake, replay)
    assert change(lake)
    assert seen(lake) == [("live-1", 0, 10), ("fixed", 10, 20), ("live-1", 20, 30)]
    assert lake.files("replays") == []
    assert lake.files("dead") == []
    assert_sound(lake)
    came = came_to(lake.ledger(), lake.ledger().runs(), promotion.identity)
    assert came == {ORDERS_0: 30}
    promotion.claim(ORDERS_0, start=30).land(10)
    assert seen(lake)[-1] == ("live-2", 30, 40)
    assert_sound(lake)
    totals = prove(lake.ledger(), SUBJECT).totals
    assert (totals.offsets, totals.beside, totals.dead_letters) == (40, 10, 0)


def _job(lake: Lake, start: int) -> PartitionJob:
    """As the engine makes it."""
    return PartitionJob(lake.identity.run, ORDERS_0, "id-of-orders", start, "json", "1", "json")


def test_a_promoted_replay_can_be_superseded_itself(lake: Lake) -> None:
    promoted(lake, replayed(lake))
    change(lake)
    again = replayed(lake, run="again", refused=[1])
    reset_to(lake, 30).claim(ORDERS_0)
    promoted(lake, again, "live-3")
    assert change(lake)
    assert seen(lake) == [("live-1", 0, 10), ("again", 10, 20), ("live-1", 20, 30)]
    assert len(lake.files("superseded/fixed")) == 1
    assert_sound(lake)


def test_the_range_of_what_is_asked_for_is_kept_over_generations(lake: Lake) -> None:
    promoted(lake, replayed(lake))
    change(lake)
    entries = list(live_entries(lake.ledger(), ORDERS_0, within=OffsetRange(15, 21)))
    assert spans(entries) == [("fixed", 10, 20), ("live-1", 20, 30)]
    assert list(live_entries(lake.ledger(), ORDERS_0, within=OffsetRange(30, 99))) == []


def test_offsets_between_two_generations_are_a_hole(lake: Lake) -> None:
    reset_to(lake, 35)
    change(lake)
    reset_to(lake, 35).claim(ORDERS_0).land(5)
    (defect,) = prove(lake.ledger(), SUBJECT).defects
    assert (defect.kind, defect.offsets) == ("hole", OffsetRange(30, 35))


def test_a_backfill_that_overlaps_what_is_live_is_a_duplicate(lake: Lake) -> None:
    backfill = Lake.make(lake.root, run="older", starts={ORDERS_0: 25}, ends={ORDERS_0: 35})
    backfill.claim(ORDERS_0).land(10)
    (defect,) = prove(lake.ledger(), SUBJECT).defects
    assert (defect.kind, defect.offsets) == ("duplicate", OffsetRange(25, 30))


def test_a_file_that_lies_where_it_did_before_the_change_is_a_defect_when_that_is_over(lake: Lake) -> None:
    reset_to(lake, 20)
    assert any("not finished" in note for note in prove(lake.ledger(), SUBJECT).notes)
    change(lake)
    reset_to(lake, 20).claim(ORDERS_0)
    (moved,) = lake.files("superseded/live-1")
    moved.rename(lake.root / moved.relative_to(lake.root / "superseded" / "live-1"))
    (defect,) = prove(lake.ledger(), SUBJECT).defects
    assert defect.kind == "foreign"
    assert "lies at raw/" in defect.message


def test_what_the_last_owner_left_is_published_and_sent_before_the_ledger_is_closed(lake: Lake) -> None:
    lake.claim(ORDERS_0).land(10, refused=[3], publish=False)
    sent: list[DeadLetter] = []

    class Sender(NoCopies):
        def send(self, letters: Sequence[DeadLetter]) -> None:
            sent.extend(letters)

    reset_to(lake, 40)
    finish(lake.sink, lambda _run: Sender())
    assert [letter.offset for letter in sent] == [33]
    assert_sound(lake)


class Died(BaseException):
    """A death at a failure point."""


@pytest.mark.parametrize("kind", ["reset", "promotion"])
def test_a_death_at_each_step_is_finished_by_whoever_comes_next(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dies at the first failure point, at the second one, and so on until a change comes through without dying."""
    for deaths in range(100):
        root = tmp_path / f"{deaths}"
        lake = Lake.make(root, starts={ORDERS_0: 0})
        landing = lake.claim(ORDERS_0)
        landing.land(10)
        landing.land(10, refused=[5])
        landing.land(10, publish=False)
        if kind == "reset":
            reset_to(lake, 10)
        else:
            promoted(lake, replayed(lake))
        died = dies_at(deaths, monkeypatch)
        with suppress(Died):
            change(lake)
        monkeypatch.undo()
        ranges = [path.name.split(".")[0] for path in lake.files("raw")]
        assert len(set(ranges)) == len(ranges)  # nobody sees rows twice
        assert prove(lake.ledger(), SUBJECT).defects == []  # in the middle of it, too
        change(lake)
        expected = [("live-1", 0, 10)]
        if kind == "promotion":
            expected += [("fixed", 10, 20), ("live-1", 20, 30)]
        assert seen(lake) == expected
        assert_sound(lake)
        if not died:
            assert deaths > 10
            return
    pytest.fail("it died a hundred times")


def dies_at(number: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the process die at the failure point of this number; where it did stands in the list then."""
    passed = 0
    died: list[str] = []

    def failpoint(name: str) -> None:
        nonlocal passed
        if passed == number:
            died.append(name)
            raise Died(name)
        passed += 1

    for module in ("operations.generation_change",):
        monkeypatch.setattr(f"streamlake.engine.{module}.failpoint", failpoint)
    for module in ("partition", "backends.local", "backends.base"):
        monkeypatch.setattr(f"streamlake.plugins.sinks.file.{module}.failpoint", failpoint)
    return died


def test_a_sink_that_keeps_one_run_only_is_refused_with_what_it_lacks(lake: Lake) -> None:
    keeper: RunKeeper = run_keeper(lake.sink, "promoting")
    assert keeper is lake.sink
    with pytest.raises(ConfigError, match="promoting needs a sink that keeps several apart"):
        run_keeper(object(), "promoting")  # type: ignore[arg-type]


def test_the_lineage_of_runs_that_were_given_asks_nobody_for_them(lake: Lake) -> None:
    assert Lineage(lake.ledger(), []).sources() == []


def test_an_engine_that_takes_the_partition_between_is_closed_behind(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    reset_to(lake, 30)
    stolen: list[str] = []

    def steal(name: str) -> None:
        if name == "before_final_close" and len(stolen) < 3:
            stolen.append(name)
            lake.claim(ORDERS_0)

    monkeypatch.setattr(generation_change, "failpoint", steal)
    change(lake)
    assert len(stolen) == 3
    assert lake.ledger().head("live-1", ORDERS_0).final
    assert_sound(lake)
