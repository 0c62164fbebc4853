"""`make bench-diff`: how fast `replay diff` compares two runs, and how fast files are read in the place of Kafka.

    python benchmarks/diff.py [--records 1000000]

The same orders land twice in one root, as a live run and as a replay whose entries end elsewhere; each figure is that
of a process of its own, from after its imports: CPU of all its threads, and what its memory grew by. Exits 1 when a
comparison is slower than ROWS_MIN a second of CPU, or has found something else than what was made to differ.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from streamlake.engine.contracts import BatchLimits, PartitionJob
from streamlake.engine.entries import RunIdentity
from streamlake.engine.lake.source import LakeSource
from streamlake.engine.letters import dead_letters_of
from streamlake.engine.local.orders import GeneratedRecord, orders
from streamlake.engine.operations.lineage import live_entries
from streamlake.engine.operations.replay_diff import DiffRequest, diff_replay
from streamlake.engine.records import Batch, OffsetRange, Refusal, TopicPartition, Verdict
from streamlake.plugins.sinks.file.sink import FileSink

SOURCE = TopicPartition("orders", 0)
LIVE, REPLAY = "live-1", "fixed"
ENTRY_ROWS: Mapping[str, int] = {LIVE: 100_000, REPLAY: 77_000}
ROWS_MIN = 1_000_000.0
CASES: Sequence[tuple[str, Mapping[str, str], Mapping[str, str], int]] = (
    ("Parquet beside Parquet", {}, {}, 0),
    ("Parquet beside Parquet, one in 50 refused before", {}, {}, 50),
    ("Parquet beside Parquet, all refused before", {}, {}, 1),
    ("Parquet beside JSON lines", {"format": "jsonl"}, {}, 0),
)
"""What it is called, the live run's options, the replay's, and every how many records the live run refused one."""


def main() -> int:
    """Land, compare, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--compare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.compare or asked.read:
        print(json.dumps(_compared(asked.compare) if asked.compare else _read(asked.read)))
        return 0
    failed = False
    for name, live, replay, refused in CASES:
        with tempfile.TemporaryDirectory(prefix="streamlake-diff-") as folder:
            root = Path(folder)
            land(root, LIVE, asked.records, refused, live)
            land(root, REPLAY, asked.records, 0, replay)
            found = _measured("--compare", root)
            rate = asked.records / found["cpu"]
            wrong = found["differences"] != (-(-asked.records // refused) if refused else 0)
            failed |= wrong or rate < ROWS_MIN
            print(f"diff: {name}: {rate / 1e6:.1f} million rows a CPU second, {found['mib']:.0f} MiB")
            if wrong:
                print(f"diff: {name}: it found {found['differences']} differences")
            read = _measured("--read", root)
            print(f"read: {name.rpartition('beside ')[2]}: {read['cpu'] / asked.records * 1e6:.2f} CPU µs a record")
    return int(failed)


def land(root: Path, run: str, records: int, refused: int, options: Mapping[str, str]) -> None:
    """Land that many orders in a run of its own, of which every so many-th is refused (0: none)."""
    sink = FileSink.from_options({"root": str(root), **options}, base_dir=root)
    bounds = {} if run == LIVE else {SOURCE: records}
    output = "" if run == LIVE else f"replays/{run}"
    sink.register_run(
        RunIdentity(run, "orders", "group", "cluster", {"orders": "id"}, {SOURCE: 0}, run, ends=bounds, output=output)
    )
    job = PartitionJob(run, SOURCE, "id", 0, "json", "1", "json", output=output)
    end = sink.partition(job)
    end.claim(end.head())
    made = (record for some in orders(records) for record in some)
    while taken := list(islice(made, ENTRY_ROWS[run])):
        with end.stage() as stage:
            for part in _slices(taken, end.head().next):
                refusals = [Refusal(at, "invalid", "no", "/id") for at in _every(part, refused)]
                verdict = Verdict(refusals)
                stage.add(part, verdict, dead_letters_of(part, verdict, 0))
            record = stage.seal()
        end.commit(record)
        end.publish(record)


def _every(part: Batch, refused: int) -> list[int]:
    return [at for at, offset in enumerate(part.offsets) if offset % refused == 0] if refused else []


def _slices(records: list[GeneratedRecord], first: int) -> Iterator[Batch]:
    for begin in range(0, len(records), 8000):
        some = records[begin : begin + 8000]
        offsets = range(first + begin, first + begin + len(some))
        rows = len(some)
        yield Batch(
            SOURCE,
            OffsetRange(offsets.start, offsets.stop),
            0,
            list(offsets),
            [1_767_312_000_000] * rows,
            [1] * rows,
            [key for key, _ in some],
            [value for _, value in some],
            [None] * rows,
        )


def _measured(what: str, root: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, what, str(root)], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _compared(root: Path) -> dict[str, float]:
    ledger = FileSink.from_options({"root": str(root)}, base_dir=root).ledger()
    before, cpu = _mib(), time.process_time()
    diff = diff_replay(ledger, DiffRequest(REPLAY))
    return {"cpu": time.process_time() - cpu, "mib": _mib() - before, "differences": diff.differences}


def _read(root: Path) -> dict[str, float]:
    """Read the live run as a replay's worker does."""
    ledger = FileSink.from_options({"root": str(root)}, base_dir=root).ledger()
    cpu, until = time.process_time(), ledger.head(LIVE, SOURCE).next
    source = LakeSource(ledger, SOURCE, live_entries(ledger, SOURCE), 0, until)
    rows = sum(len(part) for part in source.slices(BatchLimits(until, 2**40, 1e9), lambda: True))
    assert rows == until, f"{rows} of {until} were read"
    return {"cpu": time.process_time() - cpu}


def _mib() -> float:
    """The most memory that this process has had; `ru_maxrss` would be its parent's, too."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
