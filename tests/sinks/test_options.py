"""The YAML's sink section: what is wrong is said with the value and what would be right."""

from pathlib import Path
from typing import Any

import fsspec.config
import pytest

from streamlake.engine.errors import ConfigError
from streamlake.plugins.sinks.file.backends.local import LocalBackend
from streamlake.plugins.sinks.file.backends.registry import backend_of
from streamlake.plugins.sinks.file.options import FileSinkOptions
from streamlake.plugins.sinks.file.sink import FileSink


def test_only_the_root_has_to_be_said() -> None:
    options = FileSinkOptions.parse({"root": "memory://lake"})
    assert (options.format, options.columns, options.compression, options.partition_by) == (
        "parquet",
        "envelope",
        "zstd",
        "ingestion_date",
    )
    assert options.row_group_bytes_max == 16 * 2**20
    assert FileSinkOptions.parse({"root": "memory://lake", "format": "jsonl"}).compression == "none"
    assert FileSinkOptions.parse({"root": "memory://lake", "row_group_bytes_max": "1MiB"}).row_group_bytes_max == 2**20


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"colums": "typed"}, "sink.colums: the file sink has no such option; did you mean columns?"),
    ({"zzz": 1}, "sink.zzz: the file sink has no such option; known are root, format, columns"),
    ({"format": "parkuet"}, "sink.format: 'parkuet' is not known; did you mean parquet?"),
    ({"format": "csv"}, "sink.format: 'csv' is not known; one of parquet, jsonl"),
    ({"columns": 3}, "sink.columns: 3 is not known; one of envelope, typed, value"),
    (
        {"partition_by": "ingestion_day"},
        "sink.partition_by: 'ingestion_day' is not known; did you mean ingestion_date?",
    ),
    ({"compression": "gzip"}, "sink.compression: 'gzip' is not known; one of zstd, snappy, none"),
    ({"format": "jsonl", "compression": "snappy"}, "sink.compression: 'snappy' is not known; one of none, gzip, zstd"),
    ({"row_group_bytes_max": "lots"}, "sink.row_group_bytes_max: 'lots' is not between 64KiB and 1GiB"),
    ({"row_group_bytes_max": 1}, "sink.row_group_bytes_max: 1 is not between 64KiB and 1GiB"),
    ({"row_group_bytes_max": True}, "sink.row_group_bytes_max: True is not between 64KiB and 1GiB"),
    ({"root": ""}, "sink.root: '' is no place to land files"),
    ({"root": 3}, "sink.root: 3 is no place to land files"),
]


@pytest.mark.parametrize(("wrong", "says"), WRONG)
def test_what_is_wrong_is_said(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        FileSinkOptions.parse({"root": "memory://lake", **wrong})
    assert len(raised.value.problems) == 1
    assert raised.value.problems[0].startswith(says)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        FileSinkOptions.parse({"format": "csv", "colums": "typed"})
    assert [problem.split(":")[0] for problem in raised.value.problems] == ["sink.colums", "sink.root", "sink.format"]


REFUSED = [
    ("gs://", "'' can't be a bucket; for instance gs://my-bucket/lake"),
    ("gs://UPPER/lake", "'UPPER' can't be a bucket"),
    ("gs://bucket/a//b", "without empty parts"),
    ("gs://bucket/" + "x" * 301, "at most 300 bytes"),
    ("gs://bucket/../other", "write the path without `..`"),
    ("s3://bucket/lake", "s3:// has no proven exclusive creation and is refused"),
    ("simplecache::file:///tmp/lake", "chained URLs"),
    ("reference://x", "reference:// has no proven exclusive creation"),
    ("file:///var/../etc", "write the path without `..`"),
    ("../lake", "write the path without `..`"),
    ("memory://a/../b", "write the path without `..`"),
    ("file://lake", "'lake' would be a host; file:///… has three slashes"),
    ("file://", "names no folder"),
    ("memory://", "names nothing"),
]


@pytest.mark.parametrize(("root", "says"), REFUSED)
def test_a_root_that_can_not_hold_the_promise_is_refused(root: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        FileSink.from_options({"root": root}, base_dir=Path("/srv"))
    assert says in str(raised.value)
    assert root in str(raised.value)


@pytest.mark.parametrize(
    ("root", "folder"),
    [("file:///srv/lake", "/srv/lake"), ("/srv/lake/", "/srv/lake"), ("lake", "/base/lake"), ("./lake", "/base/lake")],
)
def test_a_plain_path_is_a_folder_and_a_relative_one_starts_beside_the_yaml(root: str, folder: str) -> None:
    backend = backend_of(root, base_dir=Path("/base"))
    assert isinstance(backend, LocalBackend)
    assert backend.root == Path(folder)
    assert not FileSink.from_options({"root": root}, base_dir=Path("/base")).one_process
    assert FileSink.from_options({"root": "memory://lake"}, base_dir=Path("/base")).one_process


def test_making_a_sink_touches_no_storage(tmp_path: Path) -> None:
    FileSink.from_options({"root": (tmp_path / "lake").as_uri()}, base_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_fsspecs_own_configuration_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fsspec.config.conf, "memory", {"endpoint_url": "http://elsewhere"})
    backend_of("memory://lake", base_dir=Path("/"))
    assert fsspec.config.conf == {}
