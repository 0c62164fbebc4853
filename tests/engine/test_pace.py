"""How fast a partition lands is said over the last minute of its commits, whoever's they were."""

from streamlake.engine.messages import Progress
from streamlake.engine.pace import Pace
from streamlake.engine.state import CommonRefusal


def commit(landed: int, refused: int = 0, seconds: float = 1.0, refusals: tuple[CommonRefusal, ...] = ()) -> Progress:
    size = 100 * landed
    return Progress(
        "reading",
        0,
        0,
        seconds=seconds,
        landed=landed,
        refused=refused,
        bytes=size,
        committed_at="t",
        refusals=refusals,
    )


def too_small(count: int, offset: int) -> CommonRefusal:
    return CommonRefusal("invalid", "/amount", "too small", count, offset)


def test_a_steady_partition_has_its_rate_and_an_idle_one_has_none() -> None:
    pace = Pace()
    assert pace.look(5).records_per_second == 0
    for second in range(1, 11):
        pace.take(second, commit(50, 50))
    assert (pace.look(10).records_per_second, pace.look(10).bytes_per_second) == (100, 500 * 10)
    assert pace.look(60).records_per_second == 1000 / 60
    assert pace.look(71).records_per_second == 0
    assert pace.look(71).refused_share == 0.5, "the last that is known"


def test_a_batch_that_took_longer_than_a_minute_counts_for_as_long_as_it_took() -> None:
    pace = Pace()
    pace.take(600, commit(6000, seconds=600))
    assert pace.look(600).records_per_second == 10
    assert pace.look(1200).records_per_second == 5
    assert pace.look(1801).records_per_second == 0


def test_a_few_records_at_once_are_no_great_rate() -> None:
    pace = Pace()
    pace.take(10, commit(5, seconds=0.001))
    assert pace.look(10).records_per_second == 5


def test_the_share_of_refused_ones_is_of_the_last_minute_alone() -> None:
    pace = Pace()
    assert pace.look(0).refused_share is None
    pace.take(1, commit(1_000_000))
    pace.take(100, commit(0, 10))
    assert pace.look(100).refused_share == 1.0


def test_the_commonest_refusal_is_counted_over_batches_with_the_newest_example() -> None:
    pace, rare = Pace(), CommonRefusal("malformed", "", "no JSON", 3, 9)
    assert pace.look(0).commonest is None
    pace.take(1, commit(0, 5, refusals=(rare, too_small(2, 7))))
    assert pace.look(1).commonest == rare
    pace.take(2, commit(0, 2, refusals=(too_small(2, 70),)))
    assert pace.look(2).commonest == too_small(4, 70)
    pace.take(90, commit(1))
    assert pace.look(90).commonest == too_small(4, 70), "the last that is known"
    pace.take(91, commit(0, 1, refusals=(CommonRefusal("malformed", "", "no JSON", 1, 99),)))
    assert pace.look(91).commonest == CommonRefusal("malformed", "", "no JSON", 1, 99), "what was before is forgotten"
