"""What a committed batch costs on a bucket: the table of docs/gcs.md, counted at the proxy."""

import re
from pathlib import Path

from sinks.making import IDENTITY, batch, job, landed
from support.fault_proxy import FaultProxy

from streamlake.plugins.sinks.file.sink import FileSink

DOCUMENT = Path(__file__).parents[3] / "docs" / "gcs.md"


def counted(proxy: FaultProxy) -> tuple[int, int]:
    found = proxy.counts.class_a, proxy.counts.class_b
    proxy.counts.clear()
    return found


def documented(row: str) -> tuple[int, int]:
    """The numbers of a row of the document's table."""
    (line,) = [line for line in DOCUMENT.read_text().splitlines() if line.startswith(f"| {row} |")]
    a, b = (re.match(r"\s*(\d+)", cell) for cell in line.split("|")[2:4])
    assert a is not None
    assert b is not None
    return int(a[1]), int(b[1])


def test_operations_are_as_the_document_says_and_as_few_as_was_asked_for(proxy: FaultProxy) -> None:
    gcs = {"endpoint": proxy.endpoint, "credentials": "anonymous"}
    sink = FileSink.from_options({"root": "gs://streamlake/lake", "gcs": gcs}, base_dir=Path("/"))
    sink.register_run(IDENTITY)
    counted(proxy)
    end = sink.partition(job())
    end.claim(end.head())
    start = counted(proxy)
    costs = []
    for number in range(3):
        landed(end, batch([b"{}"] * 10, 10 * number))
        costs.append(counted(proxy))
    assert len(set(costs)) == 1, "each batch costs the same"
    assert costs[0] == documented("staged, committed and published")
    assert costs[0][0] <= 6
    assert costs[0][1] <= 3
    landed(end, batch([b"{}"] * 10, 30), refused=[1])
    assert counted(proxy) == documented("with a dead-letter file, too")
    end.close()
    close = counted(proxy)
    assert (start[0] + close[0], start[1] + close[1]) == documented("a worker's start and end")
