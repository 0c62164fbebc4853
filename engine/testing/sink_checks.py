"""The checks that a sink has to pass, one promise of the contract each: begin, land, be fenced, die, be told of it."""

from contextlib import ExitStack
from dataclasses import replace

from streamlake.engine.contracts import PartitionSink
from streamlake.engine.entries import CommitRecord, Head
from streamlake.engine.errors import ConfigError, FencedError, ForeignRootError
from streamlake.engine.records import Batch, DeadLetter, OffsetRange, TopicPartition, Verdict
from streamlake.engine.testing.checks import BrokenContractError, expect
from streamlake.engine.testing.sink_bench import (
    IDENTITY,
    LEADER_EPOCH,
    ORDERS,
    RUN,
    TOPIC_ID,
    SinkBench,
    landed,
    letter_of,
    numbered,
    rows_of,
    staged,
)


def an_unknown_option_is_refused(bench: SinkBench) -> None:
    """An option that the sink does not know is a ConfigError, not a setting without effect."""
    try:
        bench.sink_class.from_options({**bench.options, "no_such_option": 1}, base_dir=bench.base_dir)
    except ConfigError:
        return
    raise BrokenContractError("from_options took the option no_such_option", "Sink.from_options")


def a_run_is_registered_once_and_another_pipeline_is_refused(bench: SinkBench) -> None:
    """The first identity stands; whoever is the same run gets that one back, and anybody else ForeignRootError."""
    sink = bench.sink()
    expect(sink.find_run(RUN) is None, "find_run found a run on a new root", "Sink.find_run")
    expect(sink.register_run(IDENTITY) == IDENTITY, "register_run gave back another identity", "Sink.register_run")
    later = replace(IDENTITY, created_at="2026-12-31T00:00:00.000+00:00", starts={ORDERS: 99})
    again = bench.sink().register_run(later)
    expect(again == IDENTITY, f"register_run gave back {again}, not the one that stands", "Sink.register_run")
    expect(bench.sink().find_run(RUN) == IDENTITY, "find_run does not find what was registered", "Sink.find_run")
    expect(bench.sink().find_run("replay-9") is None, "find_run found a run that nobody registered", "Sink.find_run")
    for foreign in (
        replace(IDENTITY, pipeline="others"),
        replace(IDENTITY, group_id="others"),
        replace(IDENTITY, cluster_id="others"),
        replace(IDENTITY, topic_ids={ORDERS.topic: "made anew"}),
    ):
        try:
            bench.sink().register_run(foreign)
        except ForeignRootError:
            continue
        raise BrokenContractError(f"register_run let another one in: {foreign}", "Sink.register_run")
    expect(bench.sink().find_run(RUN) == IDENTITY, "a refused registration changed the run", "Sink.register_run")


def an_empty_partition_begins_at_its_start(bench: SinkBench) -> None:
    """Before the first entry the head is at the job's start; looking writes nothing; the first claim goes on there."""
    bench.begin()
    sink = bench.partition(start=5)
    head = sink.head()
    expect(head == Head(-1, 5, None, None, 0), f"the head of an empty partition is {head}", "PartitionSink.head")
    expect(not bench.ledger().partitions(RUN), "looking at the head made a ledger", "PartitionSink.head")
    recovered = sink.claim(head)
    expect((recovered.next, list(recovered.unsent)) == (5, []), f"the claim found {recovered}", "PartitionSink.claim")
    head = sink.head()
    found = (head.seq, head.next, head.topic_id, head.claims)
    expect(found == (0, 5, TOPIC_ID, 1), f"after the first claim the head is {head}", "PartitionSink.head")


def a_batch_lands_as_one_entry(bench: SinkBench) -> None:
    """Claim, commit and close append one entry each, which says what became of each offset; the rows are seen once."""
    bench.begin()
    sink, of = bench.claimed(), numbered(9)
    entry = landed(sink, of, refused=[2], skipped=[4, 5])
    counts = (entry.kind, entry.range, entry.read, entry.landed, entry.refused, entry.skipped)
    expect(counts == ("data", OffsetRange(0, 9), 9, 6, 1, 2), f"the entry says {entry}", "PartitionSink.commit")
    expect(tuple(entry.skipped_offsets) == (OffsetRange(4, 6),), f"skipped: {entry.skipped_offsets}", "BatchStage.add")
    expect(bench.seen() == rows_of(of, (2, 4, 5)), f"landed are {bench.seen()}", "BatchStage.add")
    sink.close()
    kinds = [one.kind for one in bench.entries()]
    expect(kinds == ["claim", "data", "close"], f"the entries are {kinds}", "PartitionSink.close")
    expect(sink.head().last == bench.entries()[-1], "the head's last is not the last entry", "PartitionSink.head")


def another_instance_goes_on_where_the_ledger_ends(bench: SinkBench) -> None:
    """What one instance has committed, every other one knows at once: nothing of it lives in memory only."""
    bench.begin()
    landed(bench.claimed(), numbered(4))
    sink = bench.partition()
    recovered = sink.claim(sink.head())
    expect(recovered.next == 4, f"it goes on at {recovered.next}, not at 4", "PartitionSink.claim")
    landed(sink, numbered(3, 4))
    expect(bench.seen() == rows_of(numbered(7)), f"landed are {bench.seen()}", "PartitionSink.commit")
    heads = (bench.partition().head(), bench.ledger().head(RUN, ORDERS))
    expect(heads[0] == heads[1], f"the ledger's head is {heads[1]}, the partition's {heads[0]}", "Ledger.head")


def a_newer_claim_fences_every_older_writer(bench: SinkBench) -> None:
    """After a newer claim an older writer's commit raises FencedError, and nothing of it is ever seen."""
    bench.begin()
    zombie, of = bench.claimed(), numbered(3)
    record = staged(zombie, of)
    owner = bench.claimed()
    _has_to_be_fenced(zombie, record=record)
    late = bench.claimed()
    _has_to_be_fenced(owner, of=of)
    landed(late, numbered(2))
    expect(bench.seen() == rows_of(numbered(2)), f"seen are {bench.seen()}", "PartitionSink.commit")
    kinds = [entry.kind for entry in bench.entries()]
    expect(kinds == ["claim"] * 3 + ["data"], f"the entries are {kinds}", "PartitionSink.commit")


def a_claim_with_a_stale_head_costs_a_look_and_nothing_else(bench: SinkBench) -> None:
    """A head that was read before others claimed and committed does no harm: the claim goes on behind them."""
    bench.begin()
    sink = bench.partition()
    stale = sink.head()
    landed(bench.claimed(), numbered(4))
    recovered = sink.claim(stale)
    expect(recovered.next == 4, f"it goes on at {recovered.next}, not at 4", "PartitionSink.claim")
    landed(sink, numbered(2, 4))
    expect(bench.seen() == rows_of(numbered(6)), f"seen are {bench.seen()}", "PartitionSink.claim")


def claims_that_did_nothing_are_counted(bench: SinkBench) -> None:
    """`Head.claims` counts the claims since the last other entry: the engine suspects a record by it."""
    bench.begin()
    for expected in range(4):
        claims = bench.partition().head().claims
        expect(claims == expected, f"after {expected} claims the head counts {claims}", "PartitionSink.head")
        sink = bench.claimed()
    landed(sink, numbered(1))
    claims = bench.partition().head().claims
    expect(claims == 0, f"after a data entry the head counts {claims} claims", "PartitionSink.head")


def a_batch_without_a_seal_leaves_nothing(bench: SinkBench) -> None:
    """Leaving the stage without `seal` drops the batch; the same writer lands it anew."""
    bench.begin()
    sink, of = bench.claimed(), numbered(4)
    before = sink.head()
    with sink.stage() as stage:
        stage.add(of, Verdict(), [])
    expect(sink.head() == before, "a batch that was given up moved the head", "BatchStage.__exit__")
    expect(not bench.seen(), f"seen of a batch that was given up: {bench.seen()}", "BatchStage.__exit__")
    expect(not list(bench.ledger().visible(ORDERS.topic)), "a batch that was given up is visible", "BatchStage")
    landed(sink, of)
    expect(bench.seen() == rows_of(of), f"seen are {bench.seen()}", "BatchStage.add")


def a_sealed_batch_is_invisible_before_its_commit(bench: SinkBench) -> None:
    """Sealed rows are durable and seen by nobody; only the commit lands them."""
    bench.begin()
    staged(bench.claimed(), numbered(4))
    expect(not bench.seen(), f"seen before the commit: {bench.seen()}", "BatchStage.seal")
    visible = list(bench.ledger().visible(ORDERS.topic))
    expect(not visible, f"visible before the commit: {visible}", "BatchStage.seal")
    expect(bench.partition().head().seq == 0, "sealing appended an entry", "BatchStage.seal")


def publishing_can_be_repeated(bench: SinkBench) -> None:
    """`publish` may be called again, and changes nothing then."""
    bench.begin()
    sink, of = bench.claimed(), numbered(4)
    record = staged(sink, of, refused=[1])
    sink.commit(record)
    for _ in range(3):
        sink.publish(record)
    expect(bench.seen() == rows_of(of, [1]), f"seen are {bench.seen()}", "PartitionSink.publish")
    landed(sink, numbered(1, 4))


def a_batch_that_begins_elsewhere_is_not_committed(bench: SinkBench) -> None:
    """A batch that does not begin where the ledger ends would be a hole or a duplicate: commit raises."""
    bench.begin()
    for number, first in enumerate((2, 6)):
        source = TopicPartition(ORDERS.topic, number)
        landed(bench.claimed(source), numbered(4, source=source))
        sink = bench.claimed(source)
        try:
            sink.commit(staged(sink, numbered(3, first, source)))
        except Exception:  # noqa: BLE001  what it raises is its own
            expect(len(bench.seen(source)) == 4, "it raised, and committed all the same", "PartitionSink.commit")
            continue
        raise BrokenContractError(f"it committed [{first}, {first + 3}) after 4", "PartitionSink.commit")


def whoever_dies_between_two_calls_loses_and_doubles_nothing(bench: SinkBench) -> None:
    """After a death at any step the next instance goes on where the ledger ends, and every row is visible once.

    One that was frozen while it staged is as good as dead: it holds nothing that the next one needs.
    """
    bench.begin()
    frozen = ExitStack()
    for number, step in enumerate(("claim", "add", "seal", "commit", "publish", "close")):
        source = TopicPartition(ORDERS.topic, number)
        of = numbered(6, source=source)
        _die_at(step, bench.claimed(source), of, frozen)
        sink = bench.partition(source)
        recovered = sink.claim(sink.head())
        expected = 6 if step in ("commit", "publish", "close") else 0
        where = f"after a death at {step}"
        expect(recovered.next == expected, f"{where} it goes on at {recovered.next}", "PartitionSink.claim")
        unsent = list(recovered.unsent)
        letters = [letter_of(of, 1)] if step in ("commit", "publish") else []
        expect(unsent == letters, f"{where} the claim hands back {unsent}", "PartitionSink.claim")
        if not expected:
            landed(sink, of, refused=[1])
        landed(sink, numbered(1, 6, source), refused=())
        expected_rows = rows_of(of, [1]) + rows_of(numbered(1, 6, source))
        expect(bench.seen(source) == expected_rows, f"{where} seen are {bench.seen(source)}", "PartitionSink.claim")
        named = sorted(file.final for entry in bench.entries(source) for file in entry.files)
        visible = sorted(name for name in bench.ledger().visible(source.topic) if f"-{number:05d}-" in name)
        expect(visible == named, f"{where} visible are {visible}, committed {named}", "Ledger.visible")
    frozen.close()


def dead_letters_are_handed_back_until_they_were_surely_sent(bench: SinkBench) -> None:
    """A claim and a gap after a data entry do not show that its letters were sent; a data entry and a close do."""
    bench.begin()
    of = numbered(3)
    letters = [letter_of(of, 0), letter_of(of, 2)]
    landed(bench.claimed(), of, refused=[0, 2])
    for _ in range(2):
        _hands_back(bench, letters, "after a data entry and claims")
    sink = bench.claimed()
    sink.skip_to(9, "expired")
    _hands_back(bench, letters, "after a gap")
    landed(bench.claimed(), numbered(1, 9))
    _hands_back(bench, [], "after a later data entry")
    sink = bench.claimed()
    landed(sink, numbered(2, 10), refused=[1])
    sink.close()
    sink.close()
    _hands_back(bench, [], "after a close")


def holes_and_gaps_are_written_down(bench: SinkBench) -> None:
    """Offsets that the broker never delivered are holes of their entry; those that are given up, a gap's."""
    bench.begin()
    sink, full = bench.claimed(), numbered(6)
    of = replace(full.take([1, 3]), range=OffsetRange(0, 6))
    entry = landed(sink, of)
    holes = (OffsetRange(0, 1), OffsetRange(2, 3), OffsetRange(4, 6))
    expect(tuple(entry.holes) == holes, f"the holes are {entry.holes}", "PartitionSink.commit")
    nothing = replace(full.take([]), range=OffsetRange(6, 8))
    entry = landed(sink, nothing)
    expect((entry.next, entry.files) == (8, ()), f"of nothing but holes it made {entry}", "PartitionSink.commit")
    sink.skip_to(20, "expired: retention")
    gap = bench.entries()[-1]
    found = (gap.kind, gap.range, tuple(gap.holes), gap.reason, gap.leader_epoch)
    expected = ("gap", OffsetRange(8, 20), (OffsetRange(8, 20),), "expired: retention", None)
    expect(found == expected, f"the gap is {gap}", "PartitionSink.skip_to")
    landed(sink, numbered(1, 20))
    expect([offset for offset, _ in bench.seen()] == [1, 3, 20], f"seen are {bench.seen()}", "PartitionSink.skip_to")


def the_leader_epoch_is_kept(bench: SinkBench) -> None:
    """The epoch of the last message stands in the entry and the head, and the next claim hands it back."""
    bench.begin()
    sink = bench.claimed()
    entry = landed(sink, numbered(3))
    expect(entry.leader_epoch == LEADER_EPOCH, f"the entry says {entry.leader_epoch}", "PartitionSink.commit")
    sink.close()
    again = bench.partition()
    head = again.head()
    expect(head.leader_epoch == LEADER_EPOCH, f"the head says {head.leader_epoch}", "PartitionSink.head")
    recovered = again.claim(head)
    expect(recovered.leader_epoch == LEADER_EPOCH, f"the claim says {recovered.leader_epoch}", "PartitionSink.claim")
    expect(again.head().leader_epoch == LEADER_EPOCH, "a claim forgets the epoch", "PartitionSink.claim")


def partitions_do_not_know_of_each_other(bench: SinkBench) -> None:
    """A claim, a commit and a death in one partition touch no other one, of the same topic or another."""
    bench.begin()
    others = (TopicPartition(ORDERS.topic, 4), TopicPartition("checked", ORDERS.partition))
    sink = bench.claimed()
    for other in others:
        landed(bench.claimed(other), numbered(2, source=other))
    landed(sink, numbered(5))
    expect(bench.seen() == rows_of(numbered(5)), f"seen are {bench.seen()}", "Sink.partition")
    for other in others:
        expect(bench.seen(other) == rows_of(numbered(2)), f"{other}: {bench.seen(other)}", "Sink.partition")
    found = list(bench.ledger().partitions(RUN))
    expect(found == sorted([ORDERS, *others]), f"the partitions are {found}", "Ledger.partitions")


def _die_at(step: str, sink: PartitionSink, of: Batch, frozen: ExitStack) -> None:
    """A worker's life that ends after `step`; a stage that it was in the middle of is left open in `frozen`."""
    if step == "claim":
        return
    if step == "add":
        frozen.enter_context(sink.stage()).add(of, Verdict(), [])
        return
    record = staged(sink, of, refused=[1])
    if step == "seal":
        return
    sink.commit(record)
    if step == "commit":
        return
    sink.publish(record)
    if step == "close":
        sink.close()


def _has_to_be_fenced(sink: PartitionSink, *, record: CommitRecord | None = None, of: Batch | None = None) -> None:
    try:
        if of is not None:
            record = staged(sink, of)
        assert record is not None
        sink.commit(record)
    except FencedError:
        return
    raise BrokenContractError("an older writer committed after a newer claim", "PartitionSink.commit")


def _hands_back(bench: SinkBench, letters: list[DeadLetter], when: str) -> None:
    sink = bench.partition()
    unsent = list(sink.claim(sink.head()).unsent)
    expect(unsent == letters, f"{when} a claim hands back {unsent}, not {letters}", "PartitionSink.claim")
