"""Claims one partition of a pipeline, whoever has it, and dies: `python thief.py PIPELINE TOPIC/PARTITION`.

A host that the group has given up, or that an operator started with an old configuration, believes the same of itself.
It sends no dead letters and closes nothing, so whoever comes next has to finish what it took over. Exits 1 without a
claim; a failpoint may kill it right after.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))


from torture import faulty_disk  # noqa: F401 - its disk is the engines'

from streamlake.engine.cli.common import load
from streamlake.engine.contracts import PartitionJob
from streamlake.engine.errors import StreamLakeError
from streamlake.engine.records import TopicPartition
from streamlake.engine.registry import sink_class


def steal(pipeline: Path, source: TopicPartition) -> None:
    """Claim `source` in the newest run. Raises StreamLakeError."""
    config = load(pipeline)
    sink = sink_class(config.sink.type).from_options(config.sink.options, base_dir=config.base_dir)
    (run,) = sink.ledger().runs()
    job = PartitionJob(run.run, source, run.topic_ids[source.topic], run.start_of(source) or 0, "json", "thief", "json")
    partition = sink.partition(job)
    partition.claim(partition.head())


if __name__ == "__main__":
    topic, _, number = sys.argv[2].rpartition("/")
    try:
        steal(Path(sys.argv[1]), TopicPartition(topic, int(number)))
    except (StreamLakeError, ValueError):
        os._exit(1)
    os._exit(0)
