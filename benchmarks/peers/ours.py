"""StreamLake as its users run it: `streamlake run`, a worker process for each partition, JSON Schema or typed columns.

The whole promise switched on: ledger, fsync, dead letters in files and in their topic, and what `prove` needs. All
settings are the defaults. Exactly once. `pure` is without the optional package `streamlake-native`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

GUARANTEE = "exactly once, proven"
REQUIREMENTS: tuple[str, ...] = ()


def run(servers: str, topic: str, folder: str, partitions: str, form: str, columns: str, way: str) -> None:
    """Land what is there now."""
    pipeline = Path(folder) / "pipeline.yaml"
    schema = Path(__file__).parents[2] / "plugins" / "validators" / "orders.schema.json"
    pipeline.write_text(
        f"pipeline: peers\n"
        f"kafka:\n  bootstrap_servers: {servers}\n  group_id: {topic}-{Path(folder).name}\n"
        f"  topics: [{{name: {topic}, partitions: {partitions}, replication_factor: 1}}]\n"
        f"validator: {{type: jsonschema, schema: {schema}}}\n"
        f"sink: {{type: file, root: {(Path(folder) / 'root').as_uri()}, format: {form}, columns: {columns}}}\n"
        f"dead_letters:\n  topic: {{name: {topic}.dlq, partitions: 1, replication_factor: 1}}\n"
    )
    streamlake = str(Path(sys.executable).with_name("streamlake"))
    environment = os.environ | ({"STREAMLAKE_NATIVE": "0"} if way == "pure" else {})
    command = [streamlake, "run", str(pipeline), "--until-end"]
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)


def landed(folder: Path) -> Iterator[bytes]:
    """The JSON text of each record that it landed; typed columns as an object of them."""
    import orjson  # noqa: PLC0415  (the file is run as a program, too)
    import pyarrow.parquet as pq  # noqa: PLC0415

    raw = folder / "root" / "raw"
    for file in sorted(raw.rglob("*.parquet")):
        for part in pq.ParquetFile(file).iter_batches():
            names = [name for name in part.schema.names if not name.startswith("_")]
            if names == ["value"]:
                yield from (value.encode() for value in part.column("value").to_pylist())
            else:
                yield from map(orjson.dumps, part.select(names).to_pylist())
    for file in sorted(raw.rglob("*.jsonl")):
        yield from (line[line.index(b'"value":') + len(b'"value":') : -1] for line in file.read_bytes().splitlines())


if __name__ == "__main__":
    run(*sys.argv[1:])
