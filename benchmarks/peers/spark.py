"""Spark Structured Streaming: a micro-batch query from Kafka to Parquet files, with a checkpoint; exactly once.

Everything that is there in one go (`availableNow`), `from_json` with the schema of an order, rows that do not fit it
filtered out, the value and its coordinates written as Parquet with zstd. A local master with a task for each core.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

GUARANTEE = "exactly once"
REQUIREMENTS = ("pyspark==4.2.0",)
JARS = "spark"
SCHEMA = (
    "order_id BIGINT, customer_id BIGINT, status STRING, currency STRING, total DOUBLE, ordered_at DATE, "
    "priority STRING, items ARRAY<STRUCT<sku: BIGINT, qty: BIGINT, price: DOUBLE>>, _broken STRING"
)
VALID = (
    "parsed IS NOT NULL AND parsed._broken IS NULL AND parsed.order_id > 0 AND parsed.customer_id > 0 "
    "AND parsed.status IN ('O', 'F', 'P') AND parsed.currency IN ('USD', 'EUR', 'GBP', 'JPY', 'CHF') "
    "AND parsed.total >= 0 AND parsed.ordered_at IS NOT NULL AND parsed.priority IS NOT NULL "
    "AND size(parsed.items) > 0 "
    "AND forall(parsed.items, item -> item.sku > 0 AND item.qty BETWEEN 1 AND 50 AND item.price >= 0)"
)


def run(servers: str, topic: str, folder: str, jars: str) -> None:
    """Read what is there now."""
    from pyspark.sql import SparkSession  # noqa: PLC0415  (in an environment of its own)

    spark = (
        SparkSession.builder.master("local[*]")
        .config("spark.jars", ",".join(jars.split(":")))
        .config("spark.driver.memory", "4g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.parquet.compression.codec", "zstd")
        .config("spark.sql.shuffle.partitions", "4")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .load()
        .selectExpr("partition", "offset", "timestamp", "key", "CAST(value AS STRING) AS value")
    )
    options = "map('columnNameOfCorruptRecord', '_broken')"
    parsed = records.selectExpr("*", f"from_json(value, '{SCHEMA}', {options}) AS parsed")
    query = (
        parsed.where(VALID)
        .drop("parsed")
        .writeStream.format("parquet")
        .option("path", f"{folder}/landed")
        .option("checkpointLocation", f"{folder}/checkpoint")
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    spark.stop()


def landed(folder: Path) -> Iterator[bytes]:
    """The JSON text of each record that it landed: of the files that its own log of commits names."""
    import pyarrow as pa  # noqa: PLC0415  (not in the environment of its own)
    import pyarrow.parquet as pq  # noqa: PLC0415  (not in the environment of its own)

    for file in sorted((folder / "landed").glob("*.parquet")):
        for part in pq.ParquetFile(file).iter_batches(columns=["value"]):
            yield from part.column(0).cast(pa.binary()).to_pylist()  # Spark writes strings that are not UTF-8


if __name__ == "__main__":
    run(*sys.argv[1:])
