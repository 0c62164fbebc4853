"""What a batch holds that stays open is told now and then, and with it when it closes at the latest."""

from dataclasses import dataclass, field

from streamlake.engine.worker import OpenBatch


@dataclass
class Reading:
    """A source by what it has in hand."""

    in_hand: int = 0


@dataclass
class Told:
    """A supervisor by what it is told."""

    held: list[tuple[int, float]] = field(default_factory=list)

    def holds(self, rows: int, seconds_left: float) -> None:
        self.held.append((rows, seconds_left))


def test_it_is_told_soon_and_then_every_few_seconds_and_never_while_it_is_empty() -> None:
    source, link = Reading(), Told()
    batch = OpenBatch(source, 0, 60.0)  # type: ignore[arg-type]  # as much as it asks for
    for second in range(100, 120):
        source.in_hand = max(0, 10 * (second - 109))
        batch.say(link, float(second))  # type: ignore[arg-type]  # as much as it asks for
    assert link.held == [(40, 57.0), (90, 52.0)], "open since 110"


def test_what_was_left_over_of_the_batch_before_counts_too_and_no_time_is_below_zero() -> None:
    link = Told()
    batch = OpenBatch(Reading(5), 7, 2.0)  # type: ignore[arg-type]  # as much as it asks for
    for second in range(4):
        batch.say(link, float(second))  # type: ignore[arg-type]  # as much as it asks for
    assert link.held == [(12, 0.0)]


def test_a_batch_that_is_soon_full_is_not_told() -> None:
    link = Told()
    for second in range(0, 20, 2):
        batch = OpenBatch(Reading(1000), 0, 60.0)  # type: ignore[arg-type]  # as much as it asks for
        batch.say(link, float(second))  # type: ignore[arg-type]  # as much as it asks for
        batch.say(link, float(second + 2))  # type: ignore[arg-type]  # as much as it asks for
    assert link.held == []
