"""Finds the record that kills, hangs or breaks a validator, and refuses it alone as `crash`.

The batch is bisected: each part is validated in a disposable child with a memory limit and a deadline. A part whose
child dies is halved; a single record whose child dies alone, twice, is refused. A child that was killed from outside
therefore costs a repetition and never a record. Where the validator only raises, the child itself bisects.
"""

import contextlib
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait

import pyarrow as pa
import structlog

from streamlake.engine.contracts import Beat, Validator
from streamlake.engine.errors import BreakerError, IsolationError, ValidatorError
from streamlake.engine.nameless import nameless_main
from streamlake.engine.orphan import die_with_the_parent
from streamlake.engine.records import ArrowColumns, Batch, Refusal, Verdict
from streamlake.engine.verdicts import sound

log = structlog.get_logger("streamlake.worker")

TRIES_ALONE = 2
DEATHS_MAX = 100
MADE = "made"
MAKE_SECONDS_MAX = 60.0
"""For a child to start, and to import and make its validator: no record has anything to do with that."""
MAKE_TRIES = 3
ANSWER_SECONDS_MIN = 5.0
ROW_SECONDS_MAX = 0.001  # a hundred times what a slow validator takes


@dataclass(frozen=True, slots=True)
class Isolation:
    """How parts are validated: `make` builds the validator inside the child (it is pickled: a plain function).

    `seconds_max` is a child's longest deadline (a small part has less), `memory_bytes_max` what it may take beyond
    what it starts with. `deaths_max` records of a batch may each kill one.
    """

    make: Callable[[], Validator]
    seconds_max: float
    memory_bytes_max: int
    beat: Beat
    deaths_max: int = DEATHS_MAX


def validate_isolated(batch: Batch, isolation: Isolation, deaths: list[str]) -> Verdict:
    """The verdict over `batch`, a slice of the batch in hand, whatever its records do to the validator.

    `deaths` are those in earlier slices; those of single records are added. Raises BreakerError when more than
    `deaths_max` records each kill it: then it is the validator that is broken; ValidatorError when making it fails, or
    when its answers are none; and IsolationError when a child ended before it had made it, which others may have done.
    """

    def validate(part: Batch) -> Verdict | str:
        isolation.beat()
        outcome = _in_a_child(part, isolation)
        if isinstance(outcome, str) and len(part) == len(batch):  # in words of ours, without any of a record
            log.warning("validator failed, bisecting", partition=str(batch.source), why=outcome)
        if isinstance(outcome, str) and len(part) == 1:
            deaths.append(outcome)
            if len(deaths) > isolation.deaths_max * TRIES_ALONE:
                raise BreakerError(
                    f"{batch.source}: the validator dies of more than {isolation.deaths_max} records in one batch, up "
                    f"to offset {batch.range.next}, last: {outcome}. Nothing of the batch was landed or refused: mend "
                    "the validator"
                )
        return outcome

    return bisected(batch, validate)


def validate_here(batch: Batch, validator: Validator) -> Verdict:
    """The verdict of a validator that may raise, and is trusted to do no worse: bisected in this process."""

    def attempt(part: Batch) -> Verdict | str:
        try:
            return sound(validator.validate(part), len(part))
        except (ValidatorError, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  (a plugin may raise anything, SystemExit too; it is the answer)
            return _words(error)

    return bisected(batch, attempt)


def bisected(batch: Batch, validate: Callable[[Batch], Verdict | str]) -> Verdict:
    """The verdict over `batch` from those over its parts: a part without one (a sentence instead) is halved.

    A single record without one, twice, is refused as `crash`.
    """
    refused: list[Refusal] = []
    skipped: list[int] = []
    columns: list[ArrowColumns] = []
    for indices, verdict in _verdicts(batch, range(len(batch)), validate):
        refused += [replace(refusal, index=indices[refusal.index]) for refusal in verdict.refused]
        skipped += [indices[index] for index in verdict.skipped]
        if verdict.columns is not None:
            columns.append(verdict.columns)
    return Verdict(refused, skipped, _joined(columns))


def _verdicts(
    batch: Batch, indices: Sequence[int], validate: Callable[[Batch], Verdict | str]
) -> Iterator[tuple[Sequence[int], Verdict]]:
    """Verdicts over consecutive parts of `indices`, in order."""
    part = batch.take(indices)
    outcome: Verdict | str = ""
    for _ in range(TRIES_ALONE if len(indices) == 1 else 1):
        outcome = validate(part)
        if isinstance(outcome, Verdict):
            yield indices, outcome
            return
    if len(indices) == 1:
        yield indices, Verdict([Refusal(0, "crash", f"the validator failed on this record alone: {outcome}")])
        return
    middle = len(indices) // 2
    yield from _verdicts(batch, indices[:middle], validate)
    yield from _verdicts(batch, indices[middle:], validate)


def _in_a_child(part: Batch, isolation: Isolation) -> Verdict | str:
    """Validate in a process of its own: the verdict, or in words how the child ended."""
    why: str | ValidatorError = ""
    for _ in range(MAKE_TRIES):
        try:
            return _validated_in_a_child(part, isolation)
        except _NotMadeError as error:
            why = error.why
    so = f"{part.source}: the validator can't be made in a process of its own: {why}. Nothing of the batch was landed "
    if isinstance(why, ValidatorError):
        raise ValidatorError(f"{so}or refused: mend the validator")
    raise IsolationError(f"{so}or refused; the worker starts again.")


class _NotMadeError(Exception):
    """The child said what making its validator raised; or it ended or did nothing for too long before, in words."""

    def __init__(self, why: str | ValidatorError) -> None:
        super().__init__(str(why))
        self.why = why


def _validated_in_a_child(part: Batch, isolation: Isolation) -> Verdict | str:
    seconds_max = min(isolation.seconds_max, ANSWER_SECONDS_MIN + ROW_SECONDS_MAX * len(part))
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    child = context.Process(target=_child, args=(theirs, isolation.make, isolation.memory_bytes_max, seconds_max))
    with nameless_main():
        child.start()
    theirs.close()
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it died before it read: its exit says why
            ours.send(part)
        made = _answer_of(child, ours, MAKE_SECONDS_MAX, isolation.beat)
        if made != MADE:
            assert not isinstance(made, Verdict), "a verdict comes after MADE"
            raise _NotMadeError(made)
        answer = _answer_of(child, ours, seconds_max, isolation.beat)
        if isinstance(answer, ValidatorError):
            raise answer
        return answer
    finally:
        child.kill()
        child.join()
        ours.close()


def _answer_of(
    child: multiprocessing.process.BaseProcess, ours: Connection, seconds_max: float, beat: Beat
) -> Verdict | ValidatorError | str:
    remaining = seconds_max
    while not wait([ours, child.sentinel], timeout=min(0.5, remaining)):
        beat()
        remaining -= 0.5
        if remaining <= 0:
            return f"no answer within {seconds_max:g} s"
    try:
        answer: Verdict | ValidatorError | str = ours.recv()
    except (EOFError, ConnectionResetError):
        child.join()
        return f"the process died (exit code {child.exitcode})"
    return answer


def _child(pipe: Connection, make: Callable[[], Validator], memory_bytes_max: int, seconds_max: float) -> None:
    """The disposable child: one part in; out come MADE, then a verdict or a sentence."""
    die_with_the_parent()
    part: Batch = pipe.recv()  # before anything of the plugin runs: the worker waits until it is taken
    try:
        validator = make()
    except BaseException as error:  # noqa: BLE001  (a plugin may raise anything, SystemExit too; it is the answer)
        pipe.send(ValidatorError(_words(error)))
        return
    pipe.send(MADE)
    _limit(memory_bytes_max, seconds_max)
    try:
        pipe.send(validate_here(part, validator))
    except ValidatorError as error:
        pipe.send(error)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300].encode("utf-8", "backslashreplace").decode()


def _limit(memory_bytes_max: int, seconds_max: float) -> None:
    """Bound what it takes from here on of address space and CPU time, also if it never gives the interpreter back."""
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123  (the process's own counters, not a path)
        in_use = int(statm.read().split()[0]) * resource.getpagesize()
    limit = in_use + memory_bytes_max
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    seconds = int(time.process_time() + seconds_max) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _joined(columns: Sequence[ArrowColumns]) -> ArrowColumns | None:
    """The parts' Arrow columns as one table."""
    if not columns:
        return None
    return pa.concat_tables([pa.table(part) for part in columns])
