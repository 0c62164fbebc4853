"""Each check of the suite catches a sink that breaks its promise, and tells what was expected and where to read it."""

from pathlib import Path

import pytest
from testing import broken_note_sinks as broken_notes
from testing import broken_run_sinks as broken_runs
from testing import broken_sinks as broken

from streamlake.engine.testing import SINK_CHECKS, check_sink

CAUGHT: dict[str, list[tuple[type[broken.BrokenSink], str]]] = {
    "an_unknown_option_is_refused": [(broken.TakesAnyOption, "took the option no_such_option (see Sink.from_options")],
    "a_run_is_registered_once_and_another_pipeline_is_refused": [
        (broken.LetsAnybodyIn, "register_run let another one in"),
        (broken.BelievesWhoComesLast, "not the one that stands"),
        (broken.ForgetsWhereARunEnds, "find_run does not find what was registered"),
        (broken.FindsNoRun, "find_run does not find what was registered"),
    ],
    "an_empty_partition_begins_at_its_start": [
        (broken.BeginsAtZero, "the head of an empty partition is Head(seq=-1, next=0"),
        (broken.LooksAndWrites, "looking at the head made a ledger"),
    ],
    "a_batch_lands_as_one_entry": [
        (broken.NeverCloses, "the entries are ['claim', 'data']"),
        (broken.LosesARow, "skipped: (OffsetRange(first=3, next=4)"),
    ],
    "another_instance_goes_on_where_the_ledger_ends": [(broken.KeepsItToItself, "it goes on at 0, not at 4")],
    "a_newer_claim_fences_every_older_writer": [
        (broken.ClaimsAgainWhenFenced, "an older writer committed after a newer claim (see PartitionSink.commit")
    ],
    "a_claim_with_a_stale_head_costs_a_look_and_nothing_else": [
        (broken.TakesAStaleHeadForLost, "it raised FencedError: somebody was here")
    ],
    "claims_that_did_nothing_are_counted": [(broken.CountsNoClaims, "after 1 claims the head counts 0")],
    "a_batch_without_a_seal_leaves_nothing": [(broken.LandsWhatWasGivenUp, "a batch that was given up moved the head")],
    "a_sealed_batch_is_invisible_before_its_commit": [(broken.ShowsWhatIsSealed, "visible before the commit")],
    "publishing_can_be_repeated": [(broken.PublishesOnce, "it is published already")],
    "a_batch_that_begins_elsewhere_is_not_committed": [(broken.CommitsAnywhere, "it committed [2, 5) after 4")],
    "whoever_dies_between_two_calls_loses_and_doubles_nothing": [
        (broken.FinishesNothing, "after a death at commit visible are"),
        (broken.WaitsForWhoStages, "the database is locked"),
        (broken.ForgetsLetters, "after a death at commit the claim hands back []"),
    ],
    "dead_letters_are_handed_back_until_they_were_surely_sent": [
        (broken.ForgetsLetters, "after a data entry and claims a claim hands back []"),
        (broken.ForgetsLettersAtAGap, "after a gap a claim hands back []"),
        (broken.NeverCloses, "after a close a claim hands back [DeadLetter"),
    ],
    "holes_and_gaps_are_written_down": [
        (broken.WritesDownNoHoles, "the holes are ()"),
        (broken.GivesUpWithoutAReason, "the gap is Entry"),
    ],
    "the_leader_epoch_is_kept": [(broken.ForgetsTheEpoch, "the claim says None")],
    "partitions_do_not_know_of_each_other": [(broken.MixesPartitions, "")],
    "payloads_land_byte_for_byte": [(broken.NormalisesPayloads, "landed are"), (broken.TrimsPayloads, "landed are")],
    "records_are_read_again_as_they_came": [
        (broken.GivesAnEmptyKeyForNone, "read again: "),
        (broken.ForgetsWhy, "refused are []"),
    ],
    "any_bytes_land_byte_for_byte": [(broken.TakesPayloadsForText, "landed are"), (broken.TrimsPayloads, "landed are")],
    "dead_letters_are_kept_as_they_were": [(broken.TakesATombstoneForEmpty, "read back:")],
    "entries_are_chained": [
        (broken.ReadsNoChain, "entry 1 does not name the hash of the one before"),
        (broken.ReadsFromTheBeginning, "from entry 3 on it reads"),
    ],
    "the_ledger_reads_what_was_committed": [
        (broken.TellsTheEntryAgain, "it finds what nobody committed"),
        (broken.SeesWhatIsNotThere, "visible are"),
        (broken.CountsItsRowsWrong, "has 7 rows"),
    ],
    "prove_holds": [
        (broken.SeesWhatIsNotThere, "prove found stray"),
        (broken.ReadsOffsetsWrong, "prove found order"),
    ],
    "several_runs_are_kept_apart": [
        (broken_runs.LandsAllInOnePlace, "the replay's rows are ['raw/"),
        (broken_runs.SeesOneOutput, "visible are"),
    ],
    "what_was_closed_for_good_takes_nothing_any_more": [
        (broken_runs.ClosesForAWhile, "after a final close the head is"),
        (broken_runs.ClaimsWhatIsClosed, "a ledger that was closed for good was claimed"),
    ],
    "moved_rows_have_their_new_name_alone": [
        (broken_runs.Copies, "what was moved away is visible still"),
        (broken_runs.MovesAnything, "it moved what is nowhere"),
    ],
    "what_becomes_of_a_run_is_decided_once": [
        (broken_runs.DecidesAgain, "live-2 was decided, and it answers deleted"),
        (broken_runs.NeverDecidesAgain, "live-2 is another's, and it answers live-2"),
    ],
    "a_run_that_was_forgotten_leaves_its_name_used_up": [
        (broken_runs.ForgetsNothing, "rows of a forgotten run stand|a forgotten run is listed"),
        (broken_runs.LetsNamesBeUsedAgain, "the name of a forgotten run was taken again"),
    ],
    "what_was_staged_in_vain_is_collected": [(broken_runs.CollectsWhatHasLanded, "what has landed is gone")],
    "a_note_is_written_once": [
        (broken_notes.WritesNotesOver, "where b'first' stands a writer is told b'second'"),
        (broken_notes.TellsWritersTheirOwn, "where b'first' stands a writer is told b'second'"),
        (broken_notes.TakesEmptyForNone, "of b'' it reads None"),
    ],
    "of_writers_of_a_note_at_once_all_get_what_one_wrote": [
        (broken_notes.LooksBeforeItWrites, "are told that theirs stands there|it reads other bytes than"),
        (broken_notes.WritesNotesInParts, "bytes, which nobody wrote"),
    ],
    "notes_are_listed_beside_what_landed": [
        (broken_notes.ListsWhatLiesDeeper, "and it names ['a', 'b', 'below/c']"),
        (broken_notes.ReadsWhatIsThere, "it reads [b'"),
        (broken_notes.ShowsNotes, "visible are"),
    ],
    "a_note_has_no_name_among_what_landed": [
        (broken_notes.ReadsAnywhere, "it took 'raw/checked.orders/a' for the name of a note (see Notes.read"),
        (broken_notes.WritesAnywhere, "it took 'raw/checked.orders/a' for the name of a note (see Notes.write"),
    ],
    "of_threads_that_claim_at_once_one_commits": [(broken.RacesInMemory, "writers that claimed at once")],
    "of_processes_that_claim_at_once_one_commits": [
        (broken.RacesOnDisk, "writers that claimed at once|of racing writers one ended")
    ],
    "a_writer_killed_at_any_moment_loses_and_doubles_nothing": [(broken.ShowsBeforeItCommits, "prove found")],
}
ON_DISK = ("RacesOnDisk", "ShowsBeforeItCommits")


def test_every_check_has_a_sink_that_it_catches() -> None:
    assert set(CAUGHT) == {check.name for check in SINK_CHECKS}


@pytest.mark.parametrize(
    ("name", "sink", "said"), [(name, sink, said) for name, caught in CAUGHT.items() for sink, said in caught]
)
def test_a_broken_sink_is_caught(name: str, sink: type[broken.BrokenSink], said: str, tmp_path: Path) -> None:
    (check,) = [check for check in SINK_CHECKS if check.name == name]
    root = str(tmp_path) + "/{}" if sink.__name__ in ON_DISK else "memory://{}"
    with pytest.raises(AssertionError) as caught:
        check_sink(sink, lambda root_name: {"root": root.format(root_name)}, checks=[check])
    assert str(caught.value).startswith(f"{name}: {check.sentence}\n")
    assert any(words in str(caught.value) for words in said.split("|"))


def test_all_that_is_broken_is_told_at_once() -> None:
    quick = [check for check in SINK_CHECKS if "kill" not in check.name and "claim_at_once" not in check.name]
    with pytest.raises(AssertionError) as caught:
        check_sink(broken.NeverCloses, lambda name: {"root": f"memory://{name}"}, checks=quick)
    told = [paragraph.partition(":")[0] for paragraph in str(caught.value).split("\n\n")]
    assert told == [
        "a_batch_lands_as_one_entry",
        "whoever_dies_between_two_calls_loses_and_doubles_nothing",
        "dead_letters_are_handed_back_until_they_were_surely_sent",
        "what_was_closed_for_good_takes_nothing_any_more",
    ]
