"""The checks of a sink that need several writers at once: threads, processes, and a writer that is killed."""

import contextlib
import multiprocessing
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from threading import BrokenBarrierError
from typing import Protocol

from streamlake.engine.errors import FencedError
from streamlake.engine.operations.prove import prove
from streamlake.engine.testing.checks import expect
from streamlake.engine.testing.sink_bench import SinkBench, landed, numbered, rows_of, staged

THREADS, PROCESSES, ROUNDS = 8, 4, 3
KILLS = 6
KILLED_AFTER_SECONDS_MAX = 0.3
BATCH_ROWS = 5
WAIT_SECONDS = 60.0
ANOTHER = "another one failed"


class Barrier(Protocol):
    """Of threads or of processes."""

    def wait(self, timeout: float | None = None) -> int:
        """Return when all have come."""


def of_threads_that_claim_at_once_one_commits(bench: SinkBench) -> None:
    """Of writers in one process that claim at once and commit the same offsets exactly one succeeds."""
    bench.begin()
    for number in range(ROUNDS):
        barrier = threading.Barrier(THREADS)
        with ThreadPoolExecutor(THREADS) as pool:
            racing = [pool.submit(_race, bench, barrier, number) for _ in range(THREADS)]
            _one_won([one.result(WAIT_SECONDS) for one in racing])
    _rows_are_seen_once(bench)


def of_processes_that_claim_at_once_one_commits(bench: SinkBench) -> None:
    """The same of processes, as two hosts that take each other for dead; not of a sink in one process's memory."""
    bench.begin()
    if bench.sink().one_process:
        return
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    pipes = [context.Pipe(duplex=False) for _ in range(PROCESSES)]
    racing = [context.Process(target=_race_and_tell, args=(bench, barrier, ours)) for _, ours in pipes]
    try:
        for process in racing:
            process.start()
        for _, ours in pipes:
            ours.close()
        for _ in range(ROUNDS):
            _one_won([_answer(pipe) for pipe, _ in pipes])
    finally:
        for process in racing:
            process.kill()
            process.join()
    _rows_are_seen_once(bench)


def a_writer_killed_at_any_moment_loses_and_doubles_nothing(bench: SinkBench) -> None:
    """Killed by SIGKILL at a random moment, again and again, a writer leaves what the next one can finish."""
    bench.begin()
    if bench.sink().one_process:
        return
    context, lucky = multiprocessing.get_context("spawn"), random.Random(7)  # noqa: S311  when to kill is no secret
    end = 0
    for rows in range(BATCH_ROWS, BATCH_ROWS + KILLS):  # cut anew, as the next worker's batches are
        told, ours = context.Pipe(duplex=False)
        writer = context.Process(target=_land_for_ever, args=(bench, rows, ours))
        writer.start()
        ours.close()
        try:
            _answer(told)  # it has landed something
            wait_for([writer.sentinel], lucky.uniform(0, KILLED_AFTER_SECONDS_MAX))
            expect(writer.is_alive(), f"the writer ended by itself (exit code {writer.exitcode})", "PartitionSink")
        finally:
            writer.kill()
            writer.join()
        before, end = end, bench.claimed().head().next
        expect(end >= before + rows, f"what was committed is gone: the ledger ends at {end}", "PartitionSink.commit")
        expect(bench.seen() == rows_of(numbered(end)), "the rows are not those of [0, next)", "PartitionSink.commit")
        proof = prove(bench.ledger())
        defects = "; ".join(f"{defect.kind}: {defect.message} {defect.path or ''}" for defect in proof.defects)
        expect(proof.holds, f"after a kill and a claim prove found {defects}", "PartitionSink.claim")


def _race(bench: SinkBench, barrier: Barrier, number: int) -> str:
    """Claim when all are there, and when all have claimed, commit: what came of it."""
    sink = bench.partition()
    head = sink.head()
    fenced = ""
    try:
        barrier.wait(WAIT_SECONDS)
        try:
            sink.claim(head)
        except FencedError:
            fenced = "fenced"
        barrier.wait(WAIT_SECONDS)
        if fenced:
            return fenced
        landed(sink, numbered(BATCH_ROWS, number * BATCH_ROWS))
    except FencedError:
        return "fenced"
    except BrokenBarrierError:
        return ANOTHER
    except Exception as error:  # noqa: BLE001  a plugin may raise anything: it is what came of it
        with contextlib.suppress(AttributeError):
            barrier.abort()  # type: ignore[attr-defined]  # both kinds have it; nobody shall wait for us
        return f"{type(error).__name__}: {error}"
    return "committed"


def _race_and_tell(bench: SinkBench, barrier: Barrier, pipe: Connection) -> None:
    for number in range(ROUNDS):
        pipe.send(_race(bench, barrier, number))


def _one_won(outcomes: list[str]) -> None:
    strange = sorted({*outcomes} - {"committed", "fenced"}, key=lambda outcome: outcome == ANOTHER)
    expect(not strange, f"of racing writers one ended with {', '.join(strange)}", "PartitionSink.claim")
    won = outcomes.count("committed")
    expect(won == 1, f"of {len(outcomes)} writers that claimed at once {won} committed", "PartitionSink.claim")


def _rows_are_seen_once(bench: SinkBench) -> None:
    rows = rows_of(numbered(ROUNDS * BATCH_ROWS))
    expect(bench.seen() == rows, f"seen are {bench.seen()}", "PartitionSink.commit")


def _land_for_ever(bench: SinkBench, rows: int, pipe: Connection) -> None:
    sink = bench.claimed()
    next_offset = sink.head().next
    while True:
        record = staged(sink, numbered(rows, next_offset))
        next_offset = sink.commit(record).next
        sink.publish(record)
        if not pipe.closed:
            pipe.send("landed")
            pipe.close()


def _answer(pipe: Connection) -> str:
    """What a process says. Raises AssertionError where it died before, or says nothing for a minute."""
    said: Callable[[], object] = pipe.recv
    try:
        answered = pipe.poll(WAIT_SECONDS)
        answer = said() if answered else None
    except EOFError:
        answered, answer = True, "a process of the check died: its own output says why"
    expect(answered, f"a process of the check did not answer within {WAIT_SECONDS:g} s", "PartitionSink")
    return str(answer)
