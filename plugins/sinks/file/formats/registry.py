"""Which format writes by the sink's options, and which one reads by a file's name."""

from streamlake.plugins.sinks.file.formats.base import Reading
from streamlake.plugins.sinks.file.formats.jsonl_reading import JsonlReading
from streamlake.plugins.sinks.file.formats.parquet import ParquetFormat


def reading_of(name: str) -> Reading:
    """The reading side for a file with this name."""
    return ParquetFormat() if name.endswith(".parquet") else JsonlReading()
