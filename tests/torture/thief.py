"""Claims partitions of others' and is gone: `python thief.py PIPELINE ROUNDS SECONDS TOPIC PARTITION …`.

A host that the group has given up, or that an operator started with an old configuration, believes the same of itself.
It sends no dead letters and closes nothing, so whoever comes next has to finish what it took over. Each claim is made
by a process of its own, which a failpoint may kill, or stop: then it goes on SECONDS later. All of it comes ROUNDS
times. Exits 1 when there was no claim, and nobody who was stopped on the way to one.
"""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))


from torture import faulty_disk  # its disk is the engines'

from streamlake.engine.cli.common import load
from streamlake.engine.contracts import PartitionJob, Sink
from streamlake.engine.errors import StreamLakeError
from streamlake.engine.records import TopicPartition
from streamlake.engine.registry import sink_class


def steal(sink: Sink, source: TopicPartition) -> None:
    """Claim `source` in the newest run. Raises StreamLakeError."""
    (run,) = sink.ledger().runs()
    job = PartitionJob(run.run, source, run.topic_ids[source.topic], run.start_of(source) or 0, "json", "thief", "json")
    partition = sink.partition(job)
    partition.claim(partition.head())


def begun(sink: Sink, source: TopicPartition) -> int:
    """Steal in a child, whose process id this is."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with suppress(StreamLakeError, ValueError):
            steal(sink, source)
            code = 0
    finally:
        os._exit(code)


def has_claimed(status: int) -> bool:
    """Whether one that ended so has claimed: a failpoint kills after the claim alone."""
    return os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)


def wait_for_its_end(child: int) -> None:
    """Wait for a child, which goes on wherever it is stopped again."""
    while os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1]):
        os.kill(child, signal.SIGCONT)


def met(children: Sequence[int], seconds: float) -> bool:
    """Wait for all of them; those that were stopped go on after `seconds`."""
    first = {child: os.waitpid(child, os.WUNTRACED)[1] for child in children}
    stopped = [child for child, status in first.items() if os.WIFSTOPPED(status)]
    if stopped:
        threading.Event().wait(seconds)
    for child in stopped:
        os.kill(child, signal.SIGCONT)
    for child in stopped:
        wait_for_its_end(child)
    return bool(stopped) or any(has_claimed(status) for status in first.values())


if __name__ == "__main__":
    _, of, rounds, pause, topic, *numbers = sys.argv
    faulty_disk.SPARED.add("kill")  # who dies has claimed
    config = load(Path(of))
    whole = sink_class(config.sink.type).from_options(config.sink.options, base_dir=config.base_dir)
    sources = [TopicPartition(topic, int(number)) for number in numbers]
    done = [met([begun(whole, source) for source in sources], float(pause)) for _ in range(int(rounds))]
    sys.exit(not any(done))
