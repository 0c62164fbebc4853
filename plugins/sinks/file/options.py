"""The YAML's `sink:` section, checked: every problem with the value and what would be right."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self, cast

from streamlake.engine.contracts import PluginOption
from streamlake.engine.errors import ConfigError
from streamlake.plugins.sinks.file.backends.base import Backend
from streamlake.plugins.sinks.file.backends.gcs.options import OPTIONS as GCS_OPTIONS
from streamlake.plugins.sinks.file.backends.registry import backend_of
from streamlake.plugins.sinks.file.formats.base import COLUMNS, PART_BYTES_MAX, Columns, Format
from streamlake.plugins.sinks.file.formats.jsonl import Compression as JsonlCompression
from streamlake.plugins.sinks.file.formats.jsonl import JsonlFormat
from streamlake.plugins.sinks.file.formats.parquet import Compression as ParquetCompression
from streamlake.plugins.sinks.file.formats.parquet import ParquetFormat
from streamlake.plugins.sinks.file.partitioning import PARTITION_BY, PartitionBy

FORMATS = ("parquet", "jsonl")
COMPRESSIONS = {"parquet": ("zstd", "snappy", "none"), "jsonl": ("none", "gzip", "zstd")}  # the first is the default

OPTIONS = (
    PluginOption(
        "root",
        "path or URL",
        None,
        "Where files land: a folder (relative to the first YAML, or file:///folder), gs://bucket/prefix, or "
        "memory://name for tests. Change it for another place; a new root begins anew, by kafka.start.",
    ),
    PluginOption(
        "format",
        " | ".join(FORMATS),
        FORMATS[0],
        "The format of files. Change it to jsonl for readers of text; files that are there stay as they are.",
    ),
    PluginOption(
        "columns",
        " | ".join(COLUMNS),
        COLUMNS[0],
        "What a row is: envelope (the record as it was, with its place), typed (the fields of the model or schema as "
        "columns), value (the payload alone). Change it to typed for queries without JSON functions, at the price of "
        "the payload's own bytes.",
    ),
    PluginOption(
        "compression",
        "; ".join(f"{name}: {' | '.join(allowed)}" for name, allowed in COMPRESSIONS.items()),
        ", ".join(f"{allowed[0]} ({name})" for name, allowed in COMPRESSIONS.items()),
        "How files are compressed. Change it to what your readers know.",
    ),
    PluginOption(
        "partition_by",
        " | ".join(PARTITION_BY),
        "ingestion_date",
        "The folders below a topic's: by when a batch was begun, by each record's own time (a batch may then make "
        "several files), or none; always UTC. Change it to record_date or record_hour where queries ask for the "
        "records' time.",
    ),
    PluginOption(
        "row_group_bytes_max",
        "size, 64KiB to 1GiB",
        f"{PART_BYTES_MAX // 2**20}MiB",
        "Parquet: what the columns of a row group take in memory. Change it for readers that scan (more) or workers "
        "with little memory (less).",
    ),
    *GCS_OPTIONS,
)
"""The fields of FileSinkOptions, and those of `gcs`, for people."""

_UNITS = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


@dataclass(frozen=True, slots=True)
class FileSinkOptions:
    """What the file sink is told; `row_group_bytes_max` is for Parquet and counts what columns take in memory.

    `gcs` is for a root in a bucket (`backends/gcs/options.py`).
    """

    root: str
    format: str = "parquet"
    columns: Columns = "envelope"
    compression: str = ""
    partition_by: PartitionBy = "ingestion_date"
    row_group_bytes_max: int = PART_BYTES_MAX
    gcs: Mapping[str, object] | None = None

    @classmethod
    def parse(cls, options: Mapping[str, object]) -> Self:
        """Check the section and fill in the defaults. Raises ConfigError with every problem in it."""
        known = [field.name for field in fields(cls)]
        problems = [_unknown(name, known) for name in options if name not in known]
        root = options.get("root")
        if not isinstance(root, str) or not root:
            what = "is missing: where files land" if root is None else f"{root!r} is no place to land files"
            if root is None and "root" in options:
                what = "(nothing) is no place to land files; `~` and `null` are YAML's words for nothing"
            problems.append(f"sink.root: {what}; for instance file:///var/lib/streamlake")
        file_format = _one_of(options, "format", FORMATS, problems)
        chosen = {
            "columns": _one_of(options, "columns", COLUMNS, problems),
            "partition_by": _one_of(options, "partition_by", PARTITION_BY, problems, default="ingestion_date"),
            "compression": _one_of(options, "compression", COMPRESSIONS[file_format], problems),
        }
        size = _size(options.get("row_group_bytes_max", PART_BYTES_MAX), problems)
        if problems:
            raise ConfigError(*problems)
        return cls(
            root=cast("str", root),
            format=file_format,
            columns=cast("Columns", chosen["columns"]),
            compression=chosen["compression"],
            partition_by=cast("PartitionBy", chosen["partition_by"]),
            row_group_bytes_max=size,
            gcs=cast("Mapping[str, object] | None", options.get("gcs")),
        )

    def make_format(self) -> Format:
        """The format that these options ask for."""
        if self.format == "jsonl":
            return JsonlFormat(self.columns, cast("JsonlCompression", self.compression))
        return ParquetFormat(self.columns, cast("ParquetCompression", self.compression), self.row_group_bytes_max)

    def make_backend(self, base_dir: Path) -> Backend:
        """The backend of the root; a relative path starts at `base_dir`. Raises ConfigError."""
        return backend_of(self.root, base_dir=base_dir, gcs=self.gcs)


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return f"sink.{name}: the file sink has no such option; {hint}"


def _one_of(
    options: Mapping[str, object], name: str, allowed: Sequence[str], problems: list[str], default: str | None = None
) -> str:
    """The option's value, or its default; a problem is noted when it is none of `allowed`."""
    default = default or allowed[0]
    value = options.get(name, default)
    if isinstance(value, str) and value in allowed:
        return value
    near = difflib.get_close_matches(str(value), allowed, n=1)
    hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(allowed)}"
    problems.append(f"sink.{name}: {value!r} is not known; {hint}")
    return default


def _size(value: object, problems: list[str]) -> int:
    """A number of bytes, given as such or with a unit (`32MiB`)."""
    match = re.fullmatch(r"(\d+)\s*([A-Za-z]*)", str(value)) if not isinstance(value, bool) else None
    if match is not None and match[2] in _UNITS and 2**16 <= (size := int(match[1]) * _UNITS[match[2]]) <= 2**30:
        return size
    problems.append(f"sink.row_group_bytes_max: {value!r} is not between 64KiB and 1GiB; for instance 32MiB")
    return PART_BYTES_MAX
