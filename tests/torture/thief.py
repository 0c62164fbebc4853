"""Claims partitions of a pipeline, whoever has them, and is gone: `python thief.py PIPELINE TOPIC PARTITION …`.

A host that the group has given up, or that an operator started with an old configuration, believes the same of itself.
It sends no dead letters and closes nothing, so whoever comes next has to finish what it took over. Each claim is made
by a process of its own, which a failpoint may kill. Exits 1 when none was.
"""

import os
import signal
import sys
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


def in_a_child(sink: Sink, source: TopicPartition) -> bool:
    """Steal in a child; whether it claimed: a failpoint kills after the claim alone."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    code = 1
    try:
        with suppress(StreamLakeError, ValueError):
            steal(sink, source)
            code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    _, of, topic, *numbers = sys.argv
    faulty_disk.SPARED.add("kill")  # who dies has claimed
    config = load(Path(of))
    whole = sink_class(config.sink.type).from_options(config.sink.options, base_dir=config.base_dir)
    claimed = [in_a_child(whole, TopicPartition(topic, int(number))) for number in numbers]
    sys.exit(not any(claimed))
