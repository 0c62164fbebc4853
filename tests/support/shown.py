"""An engine's state as a person would meet it at night, for tests of what is shown, and for the pictures in docs.

What is said in sentences is said by the engine's own code: the breaker's reason is the breaker's, over a batch that the
validator has refused.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing import Pipe
from typing import Any, cast

from support.batches import batch_of
from support.source import ROOT

from streamlake.engine.backoff import Backoff, RestartLimits
from streamlake.engine.breaker import Breaker, BreakerLimits
from streamlake.engine.child import Child
from streamlake.engine.errors import BreakerError
from streamlake.engine.folding import folded_message
from streamlake.engine.records import Batch, Refusal, TopicPartition
from streamlake.engine.state import CommonRefusal, EngineState, PartitionState
from streamlake.plugins.validators.jsonschema import JsonSchemaValidator

NOW = datetime(2026, 1, 31, 3, 12, 44, tzinfo=UTC)
YAML = "orders.yaml"
RUNS_SECONDS = 7300
BATCH_ROWS, BATCH_SECONDS = 200_000, 60
BYTES_A_RECORD = 130
"""Of a file."""
LIMITS = RestartLimits(restarts_max=5, window_seconds=60.0)
DEATHS = 5
EVERY_SECONDS = 5  # in `rates`
BEFORE = 412_000_000
"""Offsets that an engine before this one has landed."""


def ago(seconds: float) -> str:
    """A moment before NOW."""
    return (NOW - timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def reading(number: int, topic: str = "orders", lag: int = 0) -> PartitionState:
    """A partition that lands some thousand records a second, and has just landed a batch."""
    rate = 5200.0 + 37 * number
    done = int(rate * (RUNS_SECONDS - 100))
    refused = done * 3 // 1000
    shares = [0.75 + ((5 * number + step // 10 * 3) % 8) / 28 for step in range(59)]
    return PartitionState(
        TopicPartition(topic, number),
        phase="reading",
        since=ago(RUNS_SECONDS - 100),
        pid=4800 + number,
        next=BEFORE + done,
        end=BEFORE + done + lag,
        landed=done - refused - 12,
        refused=refused,
        skipped=12,
        last_commit_at=ago(2),
        last_commit_rows=BATCH_ROWS,
        last_commit_bytes=BATCH_ROWS * BYTES_A_RECORD,
        last_commit_seconds=BATCH_ROWS / rate,
        lag_seconds=4.0 if lag else 0.0,
        records_per_second=rate,
        bytes_per_second=rate * BYTES_A_RECORD,
        rates=[*(rate * share for share in shares), rate],
        refused_share=0.003,
        refused_reasons={"invalid": refused},
        refused_most=CommonRefusal("invalid", "/amount", folded_message(refusal().message), 576, BEFORE + done - 100),
        memory_bytes=(104 + number) * 1024**2,
    )


def at_work(number: int) -> PartitionState:
    """One whose last batch was some time ago: it holds what came since."""
    seconds = 4 + 3 * number % 22  # not so long that BATCH_ROWS are reached
    rate = reading(number).records_per_second
    state = reading(number, lag=int(rate * (seconds + 0.3)))
    state.held, state.closes_at = int(rate * seconds), ago(seconds - BATCH_SECONDS)
    state.last_commit_at, state.lag_seconds = ago(seconds), seconds + 0.3
    return state


def parked(number: int) -> PartitionState:
    """One that the breaker has stopped, 200 seconds ago."""
    seconds = 200
    rate = reading(number).records_per_second
    state = reading(number, lag=int(rate * seconds))
    assert state.next is not None
    state.phase, state.since, state.last_exit = "parked", ago(seconds), "breaker"
    state.why = breaker_says(state.source, state.next + 5313)
    state.records_per_second, state.bytes_per_second, state.memory_bytes, state.pid = 0.0, 0.0, None, None
    state.last_commit_at, state.lag_seconds = ago(seconds + 8), seconds + 8.0
    return _stood(state, seconds)


def waiting_for_storage(number: int) -> PartitionState:
    """One whose storage does not answer; the batch before was committed 40 seconds earlier."""
    seconds = 95 + 40
    rate = reading(number).records_per_second
    state = reading(number, lag=int(rate * seconds))
    state.storage_since, state.storage_why, state.storage_waits = ago(95), "503", {"503": 5, "timeout": 2}
    state.records_per_second = state.bytes_per_second = 0.0  # nothing was committed in the last minute and more
    state.last_commit_at, state.lag_seconds, state.held = ago(seconds), float(seconds), BATCH_ROWS
    return _stood(state, 60)


def waiting_for_broker(number: int) -> PartitionState:
    """One for which no broker answers, so nobody knows its end."""
    state = reading(number)
    state.broker_since, state.end, state.lag_seconds = ago(42), None, None
    return state


def restarting(number: int) -> PartitionState:
    """One whose worker was killed over and over, since its last batch."""
    seconds = 44
    rate = reading(number).records_per_second
    state = reading(number, lag=int(rate * seconds))
    backoff = Backoff(LIMITS)
    waits = [backoff.died(float(at)) or 0.0 for at in range(DEATHS)][-1]
    exit_code, why, code = Killed(state.source).bury()
    assert exit_code is None
    state.phase, state.last_exit, state.restarts = "backing off", "killed", {"killed": DEATHS}
    state.why, state.since, state.restart_at = f"{code}: {why}", ago(1.2), ago(1.2 - waits)
    state.last_commit_at, state.lag_seconds, state.memory_bytes, state.pid = ago(seconds), float(seconds), None, None
    return state


def idle(number: int) -> PartitionState:
    """One with nothing to read, for a quarter of an hour."""
    state = reading(number)
    state.records_per_second = state.bytes_per_second = 0.0
    state.last_commit_at, state.last_commit_rows, state.last_commit_bytes = ago(880), 1204, 1204 * BYTES_A_RECORD
    state.rates, state.refused_share, state.refused_most = [0.0] * 60, 0.0, None
    return state


def engine(partitions: Sequence[PartitionState]) -> EngineState:
    """An engine that said this at NOW."""
    began = ago(RUNS_SECONDS)
    return EngineState("orders", "live-1", "host-1", 4711, began, partitions=partitions, said_at=NOW.isoformat())


def at_night(count: int = 8) -> EngineState:
    """Something of everything."""
    bad = [parked(3), waiting_for_storage(1), restarting(5), idle(0)]
    return engine([*bad, *(at_work(number) for number in range(count) if number not in {3, 1, 5, 0})])


class Killed(Child):
    """A worker that the kernel has just killed, as its supervisor buries it."""

    def __init__(self, source: TopicPartition) -> None:
        self.source, self.ended, self.killed_for, self.draining_since = source, None, None, None
        self.pipe, theirs = Pipe()
        theirs.close()
        self._process = cast("Any", _KilledProcess())


class _KilledProcess:
    """What is left of it."""

    exitcode = -9

    def join(self) -> None:
        """It has ended."""


def breaker_says(source: TopicPartition, first: int) -> str:
    """Why a partition is parked where records below 0 come one after another, from the offset `first` on."""
    batch, refused = _below_zero(source, first)
    try:
        Breaker(BreakerLimits(ratio_max=0.5, window_rows=1000, consecutive_max=500), YAML).look(batch, refused)
    except BreakerError as error:
        return f"{error.code.number}: {error}"
    raise AssertionError("the breaker takes 600 refused records in a row")


def refusal() -> Refusal:
    """Of an order that costs less than nothing, as the validator gives it."""
    return _below_zero(TopicPartition("orders", 0), 0)[1][0]


@cache
def _below_zero(source: TopicPartition, first: int) -> tuple[Batch, Sequence[Refusal]]:
    schema = {"type": "object", "properties": {"amount": {"type": "number", "minimum": 0}}}
    validator = JsonSchemaValidator.from_options({"schema": schema}, columns=False, base_dir=ROOT)
    batch = batch_of([b'{"amount": -3}'] * 600, first, source=source)
    return batch, validator.validate(batch).refused


def _stood(state: PartitionState, seconds: int) -> PartitionState:
    """Nothing has landed for so long: that is how its rates end."""
    count = seconds // EVERY_SECONDS
    state.rates = [*state.rates[:-count], *[0.0] * count]
    return state
