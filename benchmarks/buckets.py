"""What a bucket costs beside sending the bytes: a batch against its plain upload, and CPU for each GiB.

    python benchmarks/buckets.py [--megabytes 128] [--repeats 5]

Against a server in a process of its own that reads and forgets (tests/support/gcs_server.py): it is the storage's time
that is left out here, not ours. A batch is staged, committed and published by the file sink, as JSON lines of 1 MiB
that no compression makes smaller; the upload is of as many bytes, by the same client.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from streamlake.engine.contracts import PartitionJob, PartitionSink
from streamlake.engine.entries import RunIdentity
from streamlake.engine.records import Batch, OffsetRange, TopicPartition, Verdict
from streamlake.plugins.sinks.file.backends.registry import backend_of
from streamlake.plugins.sinks.file.sink import FileSink

TESTS = Path(__file__).parents[1] / "tests"

SOURCE = TopicPartition("orders", 0)
LINE_BYTES = 2**20
RATIO_AIM, CPU_AIM = 1.3, 0.8


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    line = b'"' + random.Random(1).randbytes(LINE_BYTES // 2 - 1).hex().encode() + b'"'
    values = [line] * asked.megabytes
    with _server() as endpoint:
        gcs = {"endpoint": endpoint, "credentials": "anonymous"}
        sink = _sink(gcs)
        uploads, batches, cpu = [], [], []
        for number in range(asked.repeats):
            seconds, processor = _upload(values, gcs, number)
            uploads.append(seconds)
            cpu.append(processor * 1024 / asked.megabytes)
            batches.append(_batch(values, sink, number * len(values)))
    ratio = median(batches) / median(uploads)
    print(f"{asked.megabytes} MB, median of {asked.repeats}")
    print(f"upload alone     {median(uploads):6.3f} s  {asked.megabytes / median(uploads):8,.0f} MB/s")
    print(f"a whole batch    {median(batches):6.3f} s  {ratio:8.2f} times the upload (aim: {RATIO_AIM})")
    print(f"CPU of an upload {median(cpu):6.2f} s a GiB (aim: {CPU_AIM})")


def _upload(values: list[bytes], gcs: dict[str, object], number: int) -> tuple[float, float]:
    """Wall and CPU seconds of the bytes alone."""
    backend = backend_of("gs://streamlake/upload", base_dir=Path("/"), gcs=gcs)
    backend.read("nothing")  # connects
    began, cpu = time.perf_counter(), time.process_time()
    with backend.create(f"payload-{number}") as out:
        for value in values:
            out.write(value)
        out.finish()
        out.seal()
    return time.perf_counter() - began, time.process_time() - cpu


def _sink(gcs: dict[str, object]) -> PartitionSink:
    options = {"root": "gs://streamlake/lake", "format": "jsonl", "columns": "value", "compression": "none", "gcs": gcs}
    sink = FileSink.from_options(options, base_dir=Path("/"))
    sink.register_run(RunIdentity("live-1", "p", "g", "c", {"orders": "id"}, {SOURCE: 0}, "2026-01-01T00:00:00Z"))
    end = sink.partition(PartitionJob("live-1", SOURCE, "id", 0, "json", "1", "json"))
    end.claim(end.head())
    return end


def _batch(values: list[bytes], end: PartitionSink, first: int) -> float:
    """Wall seconds from the first slice to the published file."""
    began = time.perf_counter()
    with end.stage() as stage:
        for index, value in enumerate(values):
            offset = first + index
            part = Batch(SOURCE, OffsetRange(offset, offset + 1), 0, [offset], [1_000], [1], [None], [value], [None])
            stage.add(part, Verdict([], []), [])
        record = stage.seal()
    end.commit(record)
    end.publish(record)
    return time.perf_counter() - began


@contextmanager
def _server() -> Iterator[str]:
    command = [sys.executable, "-m", "support.gcs_server", "--discard"]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
