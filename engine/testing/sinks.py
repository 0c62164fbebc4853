"""`check_sink`: the conformance suite of a sink, for whoever writes one; ours pass it, too."""

from collections.abc import Iterable
from pathlib import Path

from streamlake.engine.contracts import Sink
from streamlake.engine.testing import sink_checks, sink_ledger_checks, sink_note_checks, sink_races, sink_run_checks
from streamlake.engine.testing.checks import Check, run_checks
from streamlake.engine.testing.sink_bench import Options, SinkBench

SINK_CHECKS: tuple[Check[SinkBench], ...] = tuple(
    Check(run)
    for run in (
        sink_checks.an_unknown_option_is_refused,
        sink_checks.a_run_is_registered_once_and_another_pipeline_is_refused,
        sink_checks.an_empty_partition_begins_at_its_start,
        sink_checks.a_batch_lands_as_one_entry,
        sink_checks.another_instance_goes_on_where_the_ledger_ends,
        sink_checks.a_newer_claim_fences_every_older_writer,
        sink_checks.a_claim_with_a_stale_head_costs_a_look_and_nothing_else,
        sink_checks.claims_that_did_nothing_are_counted,
        sink_checks.a_batch_without_a_seal_leaves_nothing,
        sink_checks.a_sealed_batch_is_invisible_before_its_commit,
        sink_checks.publishing_can_be_repeated,
        sink_checks.a_batch_that_begins_elsewhere_is_not_committed,
        sink_checks.whoever_dies_between_two_calls_loses_and_doubles_nothing,
        sink_checks.dead_letters_are_handed_back_until_they_were_surely_sent,
        sink_checks.holes_and_gaps_are_written_down,
        sink_checks.the_leader_epoch_is_kept,
        sink_checks.partitions_do_not_know_of_each_other,
        sink_ledger_checks.payloads_land_byte_for_byte,
        sink_ledger_checks.any_bytes_land_byte_for_byte,
        sink_ledger_checks.dead_letters_are_kept_as_they_were,
        sink_ledger_checks.records_are_read_again_as_they_came,
        sink_ledger_checks.entries_are_chained,
        sink_ledger_checks.the_ledger_reads_what_was_committed,
        sink_ledger_checks.prove_holds,
        sink_run_checks.several_runs_are_kept_apart,
        sink_run_checks.what_was_closed_for_good_takes_nothing_any_more,
        sink_run_checks.moved_rows_have_their_new_name_alone,
        sink_run_checks.what_becomes_of_a_run_is_decided_once,
        sink_run_checks.a_run_that_was_forgotten_leaves_its_name_used_up,
        sink_run_checks.what_was_staged_in_vain_is_collected,
        sink_note_checks.a_note_is_written_once,
        sink_note_checks.of_writers_of_a_note_at_once_all_get_what_one_wrote,
        sink_note_checks.notes_are_listed_beside_what_landed,
        sink_note_checks.a_note_has_no_name_among_what_landed,
        sink_races.of_threads_that_claim_at_once_one_commits,
        sink_races.of_processes_that_claim_at_once_one_commits,
        sink_races.a_writer_killed_at_any_moment_loses_and_doubles_nothing,
    )
)


def check_sink(
    sink: type[Sink],
    options: Options,
    *,
    base_dir: Path | None = None,
    checks: Iterable[Check[SinkBench]] = SINK_CHECKS,
) -> None:
    """Hold a sink to the contract; raises one AssertionError that tells of every check that failed.

    `options(name)` is the YAML's section without `type` for a root called `name`; other names must be other roots,
    where nobody has been before. It has to ask for rows that carry offsets and payloads. `base_dir` (None: the working
    directory) is where relative paths start. The class must be importable by name: some checks start processes, in
    which it is made anew; a script that calls this needs its `if __name__ == "__main__":`. Takes some ten seconds.
    """
    run_checks(checks, lambda check: SinkBench.over(sink, options, base_dir or Path.cwd(), check.name))
