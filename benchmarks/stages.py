"""What each stage of a record's way costs: one partition, one process, no ledger, nothing written; CPU µs a record.

    python benchmarks/stages.py [--records 500000] [--format parquet] [--columns envelope] [--compression zstd]
                                [--model MODULE:CLASS] [--slice-rows 2000] [--property NAME=VALUE …] [--headers]

The engine's own source, validator and format, with a clock around each. `fetch threads` is librdkafka beside us; it is
what the drain costs, less what handing over costs. KAFKA_BOOTSTRAP_SERVERS as for the other benchmarks.
"""

import argparse
import gc
import io
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # as the engine's workers

from bench import PIPELINE, Bench, streamlake
from landing import BROKEN_RATIO, filled
from programs import finish, kafka, saying

from streamlake.engine.cli.common import load
from streamlake.engine.contracts import BatchLimits, Validator
from streamlake.engine.kafka.message_reader import ClientReader, NativeReader
from streamlake.engine.kafka.settings import reader_properties
from streamlake.engine.kafka.source import KafkaSource
from streamlake.engine.records import TopicPartition
from streamlake.plugins.sinks.file.batch import accepted_rows
from streamlake.plugins.sinks.file.formats.jsonl import JsonlFormat
from streamlake.plugins.sinks.file.formats.parquet import ParquetFormat, ParquetRows
from streamlake.plugins.validators.jsonschema import JsonSchemaValidator
from streamlake.plugins.validators.pydantic import PydanticValidator

SAY = saying("stages")
LIMITS = BatchLimits(rows_max=200_000, bytes_max=128 * 2**20, seconds_max=60.0)


class Clock:
    """CPU seconds of the main thread by name."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Count what runs within."""
        began = time.thread_time()
        try:
            yield
        finally:
            self.seconds[name] += time.thread_time() - began

    def around(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        """`call`, counted."""

        def counted(*arguments: object) -> object:
            with self.on(name):
                return call(*arguments)

        return counted


class Nowhere(io.RawIOBase):
    """Takes what an encoder writes, and counts it."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def write(self, data: "bytes | memoryview", /) -> int:
        """Count it."""
        size = memoryview(data).nbytes
        self.bytes += size
        return size

    def tell(self) -> int:
        """How many bytes came."""
        return self.bytes

    def writable(self) -> bool:
        """Yes."""
        return True


def main() -> int:
    """Fill a topic, read it once, and print what that cost."""
    wanted = _arguments()
    with tempfile.TemporaryDirectory(prefix="streamlake-stages-") as folder, kafka(SAY) as servers:
        bench = Bench(servers, Path(folder), wanted.records, 1, 0, 0, SAY)
        name = _topic(bench, wanted)
        with patch.dict("os.environ", bench.environment(name)):
            kafka_settings = load(Path(PIPELINE)).kafka
        properties = reader_properties(kafka_settings, "stages") | dict(one.split("=", 1) for one in wanted.property)
        clock = Clock()
        with (
            patch.object(KafkaSource, "_read", clock.around("read: into columns", KafkaSource._read)),  # noqa: SLF001  (the call that waits for the client)
            patch.object(ParquetRows, "flush", clock.around("encode and compress", ParquetRows.flush)),
            patch.object(NativeReader, "slice_rows", wanted.slice_rows or NativeReader.slice_rows),
            patch.object(ClientReader, "slice_rows", wanted.slice_rows or ClientReader.slice_rows),
        ):
            source = KafkaSource(TopicPartition(name, 0), properties, 0, None, wanted.records)
            rows, size, process, main_thread, wall = _run(source, wanted, clock)
    _print(clock, rows, size, process, main_thread, wall)
    sys.stdout.flush()
    os._exit(0)  # closing the client is not what is measured


def _run(source: KafkaSource, wanted: argparse.Namespace, clock: Clock) -> tuple[int, int, float, float, float]:
    validator, form = _validator(wanted), _format(wanted)
    rows = size = 0
    gc.collect()
    gc.freeze()
    gc.disable()  # as a worker
    process, main_thread, wall = time.process_time(), time.thread_time(), time.monotonic()
    while rows < wanted.records:
        out = Nowhere()
        writer = form.writer(out)
        for part in source.slices(LIMITS, lambda: True):
            with clock.on("decide: validate"):
                verdict = validator.validate(part)
            with clock.on("leave out what was refused"):
                accepted = accepted_rows(part, verdict, "json")
            with clock.on("rows to Arrow"):
                writer.add(accepted)
            rows += len(part)
        with clock.on("rows to Arrow"):
            writer.finish({})
        size += out.bytes
    if wanted.format == "parquet":
        clock.seconds["rows to Arrow"] -= clock.seconds["encode and compress"]
    return (
        rows,
        size,
        time.process_time() - process,
        time.thread_time() - main_thread,
        time.monotonic() - wall,
    )


def _print(clock: Clock, rows: int, size: int, process: float, main_thread: float, wall: float) -> None:
    lines = sorted(clock.seconds.items(), key=lambda line: -line[1])
    lines.append(("the rest", main_thread - sum(clock.seconds.values())))
    lines += [("fetch threads", process - main_thread), ("in all", process), ("wall", wall)]
    for name, seconds in lines:
        print(f"{name:<30} {seconds / rows * 1e6:7.3f} µs")
    print(f"{'written':<30} {size / rows:7.1f} bytes")


def _topic(bench: Bench, wanted: argparse.Namespace) -> str:
    if not wanted.headers:
        return filled(bench, "stages", bench.records, partitions=1, broken=BROKEN_RATIO).name
    topic = bench.topic("stages")
    environment = bench.environment(topic, BENCH_PARTITIONS="1")
    streamlake(environment, "topics", "apply", PIPELINE)
    generated = ("--generate", "orders", "--records", str(bench.records), "--broken", f"{BROKEN_RATIO:%}")
    streamlake(environment, "produce", PIPELINE, *generated)
    return topic


def _validator(wanted: argparse.Namespace) -> Validator:
    folder, columns = Path(__file__).parents[1] / "plugins" / "validators", wanted.columns == "typed"
    if wanted.model:
        return PydanticValidator.from_options({"model": wanted.model}, columns=columns, base_dir=folder)
    return JsonSchemaValidator.from_options({"schema": "orders.schema.json"}, columns=columns, base_dir=folder)


def _format(wanted: argparse.Namespace) -> ParquetFormat | JsonlFormat:
    make = {"parquet": ParquetFormat, "jsonl": JsonlFormat}[wanted.format]
    return make(wanted.columns, *([wanted.compression] if wanted.compression else []))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--format", choices=("parquet", "jsonl"), default="parquet")
    parser.add_argument("--columns", choices=("envelope", "typed", "value"), default="envelope")
    parser.add_argument("--compression", help="zstd, snappy, gzip or none, as the format has it")
    parser.add_argument("--model", help="a pydantic model instead of the JSON Schema, as models:CheckedOrder")
    parser.add_argument("--slice-rows", type=int)
    parser.add_argument("--property", action="append", default=[], metavar="NAME=VALUE", help="of librdkafka")
    parser.add_argument("--headers", action="store_true", help="records with the three headers of `produce`")
    return parser.parse_args()


if __name__ == "__main__":
    finish(main)
