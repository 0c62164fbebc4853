"""The checks of a sink that keeps several runs apart (`abilities.RunKeeper`); others have nothing to show here."""

from dataclasses import replace
from typing import cast

from streamlake.engine.abilities import RunKeeper, RunLedger
from streamlake.engine.contracts import PartitionJob, PartitionSink
from streamlake.engine.entries import Entry, RunIdentity
from streamlake.engine.errors import ForeignRootError, SupersededError
from streamlake.engine.generations import DELETED, next_name
from streamlake.engine.records import Verdict
from streamlake.engine.testing.checks import BrokenContractError, expect
from streamlake.engine.testing.sink_bench import IDENTITY, ORDERS, RUN, TOPIC_ID, SinkBench, landed, numbered

REPLAY = RunIdentity(
    run="checked-again",
    pipeline=IDENTITY.pipeline,
    group_id=IDENTITY.group_id,
    cluster_id=IDENTITY.cluster_id,
    topic_ids=IDENTITY.topic_ids,
    starts={ORDERS: 0},
    created_at="2026-01-02T00:00:00.000+00:00",
    ends={ORDERS: 4},
    output="replays/checked-again",
    bounds="from 0 to 4",
    reads="lake",
)


def several_runs_are_kept_apart(bench: SinkBench) -> None:
    """The rows of a run with an output lie below it: readers of the root see none of them."""
    if not _keeps_runs(bench):
        return
    bench.begin()
    live = landed(bench.claimed(), numbered(4), refused=[1])
    again = _replayed(bench)
    ledger = cast("RunLedger", bench.ledger())
    expect(bench.sink().find_run(REPLAY.run) == REPLAY, "find_run does not find what was registered", "Sink.find_run")
    apart = all(file.final.startswith(f"{REPLAY.output}/") for file in again.files)
    expect(apart, f"the replay's rows are {[file.final for file in again.files]}", "PartitionJob.output")
    for output, entry in (("", live), (REPLAY.output, again)):
        visible = sorted(ledger.visible(ORDERS.topic, output))
        expect(visible == sorted(file.final for file in entry.files), f"visible are {visible}", "RunLedger.visible")


def what_was_closed_for_good_takes_nothing_any_more(bench: SinkBench) -> None:
    """After a final close every claim raises SupersededError, and the head says why."""
    if not _keeps_runs(bench):
        return
    bench.begin()
    sink = bench.claimed()
    landed(sink, numbered(4))
    sink.close(final=True)  # type: ignore[call-arg]  # of a RunKeeper's
    head = bench.partition().head()
    expect(head.final, f"after a final close the head is {head}", "PartitionSink.close")
    expect(bench.entries()[-1].final, "the last entry does not say that it is final", "PartitionSink.close")
    try:
        bench.claimed()
    except SupersededError:
        return
    raise BrokenContractError("a ledger that was closed for good was claimed", "PartitionSink.claim")


def moved_rows_have_their_new_name_alone(bench: SinkBench) -> None:
    """`move` gives rows another name, can be repeated, and says of what is nowhere that it is not there."""
    if not _keeps_runs(bench):
        return
    bench.begin()
    entry = landed(bench.claimed(), numbered(4), refused=[1])
    moved = [replace(file, staged=file.final, final=f"superseded/{RUN}/{file.final}") for file in entry.files]
    nowhere = replace(moved[0], staged="raw/nowhere", final="superseded/nowhere")
    for _ in range(2):
        answer = list(_keeper(bench).move(moved))
        expect(answer == [True] * len(moved), f"moving said {answer}", "RunKeeper.move")
    ledger = bench.ledger()
    expect(not list(ledger.visible(ORDERS.topic)), "what was moved away is visible still", "RunKeeper.move")
    for file in moved:
        facts = ledger.inspect(file, checksum=True)
        found = facts is not None and facts.published and facts.sha256 == file.sha256
        expect(found, f"under the new name is {facts}", "RunKeeper.move")
    expect(list(_keeper(bench).move([nowhere])) == [False], "it moved what is nowhere", "RunKeeper.move")


def what_becomes_of_a_run_is_decided_once(bench: SinkBench) -> None:
    """`settle` answers everybody with what the first one said, until a generation of that name takes another run."""
    if not _keeps_runs(bench):
        return
    bench.begin()
    _replayed(bench)
    keeper, second = _keeper(bench), next_name(RUN)
    for fate in (second, DELETED, second):
        found = keeper.settle(REPLAY.run, fate)
        expect(found == second, f"{second} was decided, and it answers {found}", "RunKeeper.settle")
    bench.sink().register_run(replace(IDENTITY, run=second, adopts="another"))
    found = keeper.settle(REPLAY.run, second)
    expect(found == second, f"{second} is another's by now, and it answers {found}", "RunKeeper.settle")
    for fate in (DELETED, next_name(second)):
        found = keeper.settle(REPLAY.run, fate)
        expect(found == DELETED, f"{second} is another's, and it answers {found}", "RunKeeper.settle")


def a_run_that_was_forgotten_leaves_its_name_used_up(bench: SinkBench) -> None:
    """`forget` deletes what a run landed; nobody finds it, nobody takes its name, and others keep what they have."""
    if not _keeps_runs(bench):
        return
    bench.begin()
    landed(bench.claimed(), numbered(4))
    _replayed(bench)
    keeper = _keeper(bench)
    expect(not keeper.forget("nobody"), "it has forgotten a run that there never was", "RunKeeper.forget")
    expect(keeper.forget(REPLAY.run), "it did not find a run that is there", "RunKeeper.forget")
    expect(not keeper.forget(REPLAY.run), "it has forgotten a run twice", "RunKeeper.forget")
    ledger = cast("RunLedger", bench.ledger())
    expect([run.run for run in ledger.runs()] == [RUN], "a forgotten run is listed", "Ledger.runs")
    expect(bench.sink().find_run(REPLAY.run) is None, "a forgotten run is found", "Sink.find_run")
    expect(not list(ledger.visible(ORDERS.topic, REPLAY.output)), "rows of a forgotten run stand", "RunKeeper.forget")
    expect(list(ledger.visible(ORDERS.topic)), "another run's rows are gone", "RunKeeper.forget")
    try:
        bench.sink().register_run(REPLAY)
    except ForeignRootError:
        return
    raise BrokenContractError("the name of a forgotten run was taken again", "Sink.register_run")


def what_was_staged_in_vain_is_collected(bench: SinkBench) -> None:
    """`collect` frees what a run has staged, and touches nothing that has landed."""
    if not _keeps_runs(bench):
        return
    bench.begin()
    sink = bench.claimed()
    entry = landed(sink, numbered(4))
    with sink.stage() as stage:
        stage.add(numbered(4, 4), Verdict(), ())
        stage.seal()
        freed = _keeper(bench).collect(RUN)
    expect(freed >= 0, f"it freed {freed} bytes", "RunKeeper.collect")
    expect(_keeper(bench).collect(RUN) == 0, "there was something left to collect", "RunKeeper.collect")
    for file in entry.files:
        expect(bench.ledger().inspect(file, checksum=True) is not None, "what has landed is gone", "RunKeeper.collect")


def _replayed(bench: SinkBench) -> Entry:
    sink = bench.sink()
    sink.register_run(REPLAY)
    job = PartitionJob(REPLAY.run, ORDERS, TOPIC_ID, 0, "checked", "fingerprint", bench.payload, output=REPLAY.output)
    end: PartitionSink = sink.partition(job)
    end.claim(end.head())
    return landed(end, numbered(4), refused=[1])


def _keeps_runs(bench: SinkBench) -> bool:
    return hasattr(bench.sink(), "move")


def _keeper(bench: SinkBench) -> RunKeeper:
    return cast("RunKeeper", bench.sink())
