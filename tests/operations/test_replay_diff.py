"""Two runs compared offset by offset: every fate beside every other, each value, each reason."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.lake import Lake, Landing
from support.two_runs import Rows, Two

from streamlake.engine.errors import ConfigError, FileDamagedError, UsageError
from streamlake.engine.letters import dead_letters_of
from streamlake.engine.operations.diff_types import Fate, Outcome
from streamlake.engine.operations.replay_diff import DiffRequest, diff_replay
from streamlake.engine.records import OffsetRange, Refusal, TopicPartition, Verdict
from streamlake.plugins.sinks.file.formats import jsonl_reading
from streamlake.plugins.sinks.file.formats import parquet as parquet_format

ORDERS = TopicPartition("orders", 0)
LANDED = Outcome("landed")
AMOUNT = Outcome("refused", "invalid", "/amount")

FATES: tuple[Fate, ...] = ("landed", "landed", "landed", "refused", "skipped", "hole", "given up")
FORMATS: Sequence[dict[str, Any]] = (
    {"format": "parquet"},
    {"format": "jsonl"},
    {"format": "parquet", "columns": "value"},
    {"format": "jsonl", "columns": "value", "compression": "zstd"},
    {"format": "parquet", "partition_by": "record_hour"},
)


@dataclass(frozen=True)
class Planned:
    """What one run is to make of each offset from `first` on, in entries of these sizes."""

    first: int
    fates: Sequence[Fate]
    reasons: Sequence[str]
    others: frozenset[int]  # offsets that have another value than in the other run
    sizes: Sequence[int]
    options: dict[str, Any]

    def outcome(self, offset: int) -> Outcome:
        at = offset - self.first
        if not 0 <= at < len(self.fates):
            return Outcome("not read")
        if self.fates[at] != "refused":
            return Outcome(self.fates[at])
        return Outcome("refused", "invalid", self.reasons[at])

    def value(self, offset: int) -> bytes:
        return b'{"n":%d,\n"other":%d}' % (offset, offset in self.others)


@st.composite
def planned(draw: st.DrawFn) -> Planned:
    size = draw(st.integers(0, 24))
    return Planned(
        first=draw(st.integers(0, 6)),
        fates=draw(st.lists(st.sampled_from(FATES), min_size=size, max_size=size)),
        reasons=draw(st.lists(st.sampled_from(["/amount", "/id"]), min_size=size, max_size=size)),
        others=frozenset(draw(st.sets(st.integers(0, 30), max_size=3))),
        sizes=draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)),
        options=draw(st.sampled_from(FORMATS)),
    )


def landed_as(root: Path, run: str, plan: Planned, **said: Any) -> None:
    """Land a run as it is planned; neighbours of another kind are given up in an entry of their own."""
    lake = Lake.make(root, run=run, starts={ORDERS: plan.first}, **said, **plan.options)
    landing = lake.claim(ORDERS)
    position, number = 0, 0
    while position < len(plan.fates):
        given_up = plan.fates[position] == "given up"
        size, number = plan.sizes[number % len(plan.sizes)], number + 1
        some = plan.fates[position : position + size]
        alike = next((at for at, fate in enumerate(some) if (fate == "given up") != given_up), len(some))
        if given_up:
            landing.end.skip_to(plan.first + position + alike, "expired")
            landing.next = plan.first + position + alike
        else:
            _land(landing, plan, position, some[:alike])
        position += alike


def _land(landing: Landing, plan: Planned, position: int, fates: Sequence[Fate]) -> None:
    def at(*wanted: Fate) -> list[int]:
        return [index for index, fate in enumerate(fates) if fate in wanted]

    batch = landing.batch(len(fates), holes=at("hole"), value=plan.value)
    index_of = {offset: index for index, offset in enumerate(batch.offsets)}
    first = plan.first + position
    refusals = [Refusal(index_of[first + i], "invalid", "no", plan.reasons[position + i]) for i in at("refused")]
    verdict = Verdict(refusals, [index_of[first + i] for i in at("skipped")])
    with landing.end.stage() as stage:
        stage.add(batch, verdict, dead_letters_of(batch, verdict, 1_700_000_000_000))
        record = stage.seal()
    landing.end.commit(record)
    landing.end.publish(record)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few rows, so that an entry has several and they end elsewhere on both sides."""
    monkeypatch.setattr(parquet_format, "PART_ROWS", 3)
    monkeypatch.setattr(jsonl_reading, "BLOCK_BYTES", 700)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # settings and sizes are the same for all
)
@given(here=planned(), there=planned())
def test_every_offset_is_compared_once_and_as_it_is(here: Planned, there: Planned) -> None:
    ends, rows = {ORDERS: here.first + len(here.fates)}, Rows()
    with TemporaryDirectory() as folder:
        root = Path(folder)
        landed_as(root, "live-1", there)
        landed_as(root, "fix", here, ends=ends, output="replays/fix")
        diff = diff_replay(Lake.open(root).ledger(), DiffRequest("fix", "live", 1000), rows)
    whole = range(here.first, ends[ORDERS])
    pairs = Counter((here.outcome(offset), there.outcome(offset)) for offset in whole)
    assert {(pair.here, pair.there): pair.offsets for pair in diff.pairs} == pairs
    # Payloads alone in several files can't be told apart; here such a run has one file an entry.
    both = [offset for offset in whole if here.outcome(offset) == there.outcome(offset) == LANDED]
    other = [offset for offset in both if (offset in here.others) != (offset in there.others)]
    assert (diff.values_same, diff.values_differ) == (len(both) - len(other), len(other))
    assert diff.values_not_compared == 0
    fates = [offset for offset in whole if _differ(here.outcome(offset), there.outcome(offset))]
    assert rows.offsets == sorted(fates + other)
    assert sorted(example.offset for example in diff.examples) == rows.offsets
    assert diff.differences == len(rows.offsets)
    assert diff.same == (not rows.offsets)
    (partition,) = diff.partitions
    assert (partition.source, partition.range) == (ORDERS, OffsetRange(whole.start, whole.stop))
    assert (partition.outcomes, partition.values) == (len(fates), len(other))
    assert partition.same == len(whole) - partition.differences
    for row in rows.found:
        assert (row["topic"], row["partition"]) == ("orders", 0)
        assert _told(row, "here") == here.outcome(row["offset"])
        assert _told(row, "there") == there.outcome(row["offset"])


def _differ(here: Outcome, there: Outcome) -> bool:
    return here != there and not {here.fate, there.fate}.isdisjoint({"landed", "refused"})


def _told(row: dict[str, Any], side: str) -> Outcome:
    return Outcome(row[side], row[f"{side}_reason"], row[f"{side}_field"])


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path / "lake")


def test_a_fixed_validator_shows_what_it_fixed(two: Two) -> None:
    two.land("live-1", refused=[2, 5])
    two.land("fix", refused=[5], field="/id")
    diff = two.diff()
    assert [(str(pair.here), str(pair.there), pair.offsets, pair.differs) for pair in diff.pairs] == [
        ("landed", "landed", 8, False),
        ("landed", "refused (invalid, /amount)", 1, True),
        ("refused (invalid, /id)", "refused (invalid, /amount)", 1, True),
    ]
    assert [(one.offset, one.here.fate, one.there.fate) for one in diff.examples] == [
        (2, "landed", "refused"),
        (5, "refused", "refused"),
    ]
    assert diff.rows == 10


def test_an_item_of_a_list_is_no_other_rule(two: Two) -> None:
    two.land("live-1", refused=[2], field="/items/0/qty")
    two.land("fix", refused=[2], field="/items/3/qty")
    diff = two.diff()
    assert diff.same
    assert diff.pairs[1].here == Outcome("refused", "invalid", "/items/*/qty")


def test_values_that_differ_are_shown_and_cut(two: Two) -> None:
    two.land("live-1", value=lambda offset: b'{"n":%d}' % offset)
    two.land("fix", value=lambda offset: b'{"n":%d}' % offset if offset != 3 else b'"%b"' % (b"x" * 5000))
    rows = Rows()
    diff = two.diff(rows=rows)
    (example,) = diff.examples
    assert (example.offset, example.here_value, example.there_value) == (3, '"' + "x" * 199 + "…", '{"n":3}')
    (row,) = rows.found
    assert (len(row["here_value"]), row["there_value"]) == (5002, b'{"n":3}')
    assert (diff.values_same, diff.values_differ, diff.same) == (9, 1, False)


def test_a_run_that_is_not_finished_says_so(two: Two) -> None:
    two.land("live-1")
    two.land("fix", 4)
    diff = two.diff()
    assert diff.remarks == ["fix has not read 6 offsets of its range: it is not finished"]
    assert [(str(pair.here), str(pair.there), pair.offsets) for pair in diff.pairs] == [
        ("not read", "landed", 6),
        ("landed", "landed", 4),
    ]


def test_no_record_in_either_is_no_difference(two: Two) -> None:
    two.land("live-1", skipped=[1], holes=[4])
    two.land("fix", skipped=[4], holes=[1])  # what a replay from the lake makes of a skipped one is a hole
    assert two.diff().same


@pytest.mark.parametrize("against", ["live-1", "first"])
def test_it_compares_with_any_other_run(two: Two, against: str) -> None:
    two.land(against, refused=[0])
    two.land("fix")
    assert [(one.offset, one.there) for one in two.diff(against).examples] == [(0, AMOUNT)]


def test_a_live_run_is_compared_over_all_that_it_has_read(two: Two) -> None:
    two.land("live-1", 7, start=2)
    two.land("fix")
    diff = two.diff("fix", run="live-1")
    assert [(one.range, one.same) for one in diff.partitions] == [(OffsetRange(2, 9), 7)]
    assert diff.same


def test_the_same_offsets_of_a_topic_that_was_made_anew_are_other_records(two: Two) -> None:
    lake = Lake.make(two.root, topic_ids={"orders": "id-before"})
    lake.claim(ORDERS).land(10)
    two.land("fix")
    assert [(str(pair.here), str(pair.there)) for pair in two.diff().pairs] == [("landed", "not read")]


def test_the_files_of_a_superseded_run_are_found_where_they_are_now(two: Two) -> None:
    two.land("live-1", refused=[0])
    two.land("fix")
    Lake.make(two.root, run="live-2", starts={ORDERS: 0}).claim(ORDERS).land(10)
    for folder in ("raw", "dead"):
        for file in (two.root / folder).rglob("*.live-1.*"):
            now = two.root / "superseded" / "live-1" / file.relative_to(two.root)
            now.parent.mkdir(parents=True)
            file.rename(now)
    assert two.diff("live").same
    assert [(one.offset, one.there) for one in two.diff("live-1").examples] == [(0, AMOUNT)]


@pytest.mark.parametrize(
    ("run", "against", "says"),
    [
        ("nothing", "live", "RUN nothing: there is no such run here; known are live-1, fix"),
        ("fix", "nothing", "--against nothing: there is no such run here; known are live-1, fix"),
        ("fix", "fix", "--against fix: that is the run itself"),
    ],
)
def test_a_run_that_can_t_be_meant_is_refused(two: Two, run: str, against: str, says: str) -> None:
    two.land("live-1")
    two.land("fix")
    with pytest.raises(UsageError, match=says):
        two.diff(against, run=run)


@pytest.mark.parametrize("folder", ["raw", "replays/fix/dead"])
def test_a_file_that_is_gone_is_named(two: Two, folder: str) -> None:
    two.land("live-1", refused=[1])
    two.land("fix", refused=[1])
    Lake.open(two.root).files(folder)[0].unlink()
    with pytest.raises(FileDamagedError, match=rf"{folder}/orders/.* is gone"):
        two.diff()


def test_rows_that_are_not_those_of_the_entry_are_no_difference_but_damage(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.land("live-1")
    two.land("fix")
    ledger = Lake.open(two.root).ledger()
    entries = ledger.entries
    monkeypatch.setattr(
        ledger,
        "entries",
        lambda *said: (replace(entry, landed=entry.landed + 1) if entry.files else entry for entry in entries(*said)),
    )
    with pytest.raises(FileDamagedError, match=r"10 rows and 0 dead letters, ledger entry 1 of run .* says 11 and 0"):
        diff_replay(ledger, DiffRequest("fix"))


def test_a_sink_that_gives_no_rows_back_is_refused(two: Two) -> None:
    class Plain:
        """A ledger of somebody's own."""

    with pytest.raises(ConfigError, match=r"its ledger \(Plain\) does not give back what it has landed"):
        diff_replay(Plain(), DiffRequest("fix"))  # type: ignore[arg-type]  # that is the point


def test_examples_are_as_many_as_wanted(two: Two) -> None:
    two.land("live-1", refused=range(10))
    two.land("fix")
    ledger = Lake.open(two.root).ledger()
    for wanted in (0, 4, 100):
        diff = diff_replay(ledger, DiffRequest("fix", "live", wanted))
        assert [example.offset for example in diff.examples] == list(range(min(wanted, 10)))
