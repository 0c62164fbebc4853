"""An engine's state as a person would meet it at night, for tests of what is shown, and for the pictures in docs."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from streamlake.engine.records import TopicPartition
from streamlake.engine.state import CommonRefusal, EngineState, PartitionState

NOW = datetime(2026, 1, 31, 3, 12, 44, tzinfo=UTC)
BREAKER = (
    "501 refused in a row, most often '/amount breaks `minimum` with …: is less than #', for instance orders/3/812345 "
    "(dead_letters.breaker: consecutive_max is 500). Nothing of the batch has landed; `streamlake dry-run orders.yaml "
    "--from 812345 --topic orders --partitions 3 --limit 20` shows such records"
)


def ago(seconds: float) -> str:
    """A moment before NOW."""
    return (NOW - timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def reading(number: int, topic: str = "orders", lag: int = 0) -> PartitionState:
    """A partition that lands some thousand records a second."""
    rate = 5200.0 + 37 * number
    return PartitionState(
        TopicPartition(topic, number),
        phase="reading",
        since=ago(7200),
        pid=4000 + number,
        next=812_000 + number,
        end=812_000 + number + lag,
        landed=790_000,
        refused=2400,
        skipped=12,
        last_commit_at=ago(12),
        last_commit_rows=64_000,
        last_commit_bytes=8_200_000,
        last_commit_seconds=11.5,
        lag_seconds=4.0 if lag else 0.0,
        records_per_second=rate,
        bytes_per_second=rate * 130,
        rates=[rate * (0.3 + ((5 * number + step // 10 * 3) % 8) / 8) for step in range(60)],
        refused_share=0.003,
        refused_reasons={"invalid": 2400},
        refused_most=CommonRefusal(
            "invalid", "/amount", "/amount breaks `minimum` with …: is less than #", 52, 811_900
        ),
        memory_bytes=(104 + number) * 1024**2,
    )


def parked(number: int) -> PartitionState:
    """One that the breaker has stopped."""
    state = reading(number, lag=48_000)
    state.phase, state.since, state.why, state.last_exit = "parked", ago(7800), BREAKER, "breaker"
    state.records_per_second, state.memory_bytes, state.lag_seconds, state.pid = 0.0, None, 7800.0, None
    state.last_commit_at, state.rates = ago(7810), [*state.rates[:20], *[0.0] * 40]
    return state


def waiting_for_storage(number: int) -> PartitionState:
    """One whose storage does not answer."""
    state = reading(number, lag=9000)
    state.storage_since, state.storage_waits = ago(95), {"503": 3, "timeout": 1}
    state.last_commit_at, state.lag_seconds = ago(99), 97.0
    return state


def waiting_for_broker(number: int) -> PartitionState:
    """One for which no broker answers, so nobody knows its end."""
    state = reading(number)
    state.broker_since, state.end, state.lag_seconds = ago(42), None, None
    return state


def restarting(number: int) -> PartitionState:
    """One whose worker died."""
    state = reading(number, lag=3000)
    state.phase, state.since, state.last_exit, state.restart_at = "backing off", ago(2), "storage", ago(-4)
    state.why = "orders: the disk is full (No space left on device)"
    return state


def idle(number: int) -> PartitionState:
    """One with nothing to read."""
    state = reading(number)
    state.records_per_second = state.bytes_per_second = 0.0
    state.rates, state.refused_share, state.refused_most = [0.0] * 60, 0.0, None
    return state


def engine(partitions: Sequence[PartitionState]) -> EngineState:
    """An engine that said this at NOW."""
    return EngineState("orders", "live-1", "host-1", 4711, ago(7300), partitions=partitions, said_at=NOW.isoformat())


def at_night(count: int = 8) -> EngineState:
    """Something of everything."""
    bad = [parked(3), waiting_for_storage(1), restarting(5), idle(0)]
    numbers = [number for number in range(count) if number not in {3, 1, 5, 0}]
    return engine([*bad, *(reading(number, lag=100 * number) for number in numbers)])
