"""Flink SQL: `INSERT INTO files SELECT … FROM kafka`, streaming with checkpoints, to the filesystem sink; exactly once.

The Kafka source is bounded by the offsets of now, so that the job ends. Fields that JSON can't be parsed into are
skipped (`json.ignore-parse-errors`), and rows that break a rule are left out by WHERE. A mini cluster in one JVM, a
slot for each partition, a checkpoint each ten seconds, JSON lines as Flink writes them.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

GUARANTEE = "exactly once"
REQUIREMENTS = ("apache-flink==2.3.0",)
JARS = "flink"
COLUMNS = (
    "order_id BIGINT, customer_id BIGINT, status STRING, currency STRING, total DOUBLE, ordered_at DATE, "
    "priority STRING, items ARRAY<ROW<sku BIGINT, qty BIGINT, price DOUBLE>>"
)
VALID = (
    "order_id > 0 AND customer_id > 0 AND status IN ('O', 'F', 'P') "
    "AND currency IN ('USD', 'EUR', 'GBP', 'JPY', 'CHF') "
    "AND total >= 0 AND ordered_at IS NOT NULL AND priority IS NOT NULL AND CARDINALITY(items) > 0"
)


def run(servers: str, topic: str, folder: str, jars: str, partitions: str) -> None:
    """Read what is there now."""
    from pyflink.table import EnvironmentSettings, TableEnvironment  # noqa: PLC0415  (in an environment of its own)

    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    for name, value in {
        "pipeline.jars": ";".join(f"file://{jar}" for jar in jars.split(":")),
        "parallelism.default": partitions,
        "execution.checkpointing.interval": "10 s",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.dir": f"file://{folder}/checkpoints",
        "taskmanager.memory.process.size": "4g",
        "rest.address": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
    }.items():
        tables.get_config().set(name, value)
    tables.execute_sql(
        f"""CREATE TABLE orders ({COLUMNS}) WITH (
        'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{servers}',
        'properties.group.id' = 'flink-{topic}', 'scan.startup.mode' = 'earliest-offset',
        'scan.bounded.mode' = 'latest-offset', 'format' = 'json', 'json.ignore-parse-errors' = 'true')"""
    )
    tables.execute_sql(
        f"""CREATE TABLE files ({COLUMNS}) WITH (
        'connector' = 'filesystem', 'path' = 'file://{folder}/landed', 'format' = 'json',
        'sink.rolling-policy.file-size' = '128MB', 'sink.rolling-policy.rollover-interval' = '60 s')"""
    )
    tables.execute_sql(f"INSERT INTO files SELECT * FROM orders WHERE {VALID}").wait()


def landed(folder: Path) -> Iterator[bytes]:
    """The JSON text of each record that it landed; a file whose name begins with a dot is not committed."""
    for file in sorted((folder / "landed").rglob("[!.]*")):
        if file.is_file():
            yield from file.read_bytes().splitlines()


if __name__ == "__main__":
    run(*sys.argv[1:])
