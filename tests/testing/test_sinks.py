"""Our own sinks pass the public suite, check by check."""

from pathlib import Path

import pytest

from streamlake.engine.testing.checks import Check
from streamlake.engine.testing.sink_bench import SinkBench
from streamlake.engine.testing.sinks import SINK_CHECKS, check_sink
from streamlake.plugins.sinks.file.sink import FileSink

ROOTS = {
    "file, parquet": {"root": "{folder}/{name}"},
    "file, jsonl": {"root": "{folder}/{name}", "format": "jsonl", "partition_by": "none"},
    "bucket, parquet": {"root": "gs://{bucket}/{name}"},
    "memory, parquet": {"root": "memory://{name}"},
    "memory, jsonl": {"root": "memory://{name}", "format": "jsonl", "partition_by": "record_date"},
}


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("check", SINK_CHECKS, ids=str)
def test_the_file_sink_keeps_the_contract(
    check: Check[SinkBench], root: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = ""
    if root.startswith("bucket"):
        server = request.getfixturevalue("gcs")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        bucket = server.new_bucket()

    def options(name: str) -> dict[str, object]:
        return {key: text.format(folder=tmp_path, name=name, bucket=bucket) for key, text in ROOTS[root].items()}

    check_sink(FileSink, options, checks=[check])
