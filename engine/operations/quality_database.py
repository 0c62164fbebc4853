"""The only place of DuckDB: a database in a folder that is gone afterwards, shut off from everything else."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlake.engine.errors import ConfigError, QualityError

SETTINGS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "preserve_insertion_order": "false",
}
LOCKED = ("SET TimeZone='UTC'", "SET enable_external_access=false")
"""A query of the YAML sees the rows and nothing else: no file, no address, and no variable of this program."""
BATCH = "batch"
"""The name under which an Arrow table is handed in."""


class RefusedQueryError(Exception):
    """DuckDB refuses a query; says why in one line."""


@dataclass(frozen=True, slots=True)
class Database:
    """One connection."""

    connection: Any

    def run(self, sql: str, values: Mapping[str, object] | None = None) -> Sequence[tuple[Any, ...]]:
        """The rows that a statement returns; `$name` stands for a value. Raises QualityError, RefusedQueryError."""
        import duckdb  # noqa: PLC0415  (an extra)

        try:
            cursor = self.connection.execute(sql, dict(values)) if values else self.connection.execute(sql)
            rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise QualityError(f"DuckDB: {_line(error)}; give it room (TMPDIR), or check a shorter range") from None
        except duckdb.Error as error:
            raise RefusedQueryError(_line(error)) from None
        return rows

    def take(self, sql: str, table: object) -> None:
        """Run a statement that reads `table`, anything of Arrow's, under the name BATCH."""
        self.connection.register(BATCH, table)
        try:
            self.run(sql)
        except RefusedQueryError as error:
            raise QualityError(f"DuckDB can't take in what landed: {error}") from None
        finally:
            self.connection.unregister(BATCH)


@contextmanager
def open_database() -> Iterator[Database]:
    """A new database on the disk of TMPDIR, so that a range need not fit into memory. Raises ConfigError."""
    try:
        import duckdb  # noqa: PLC0415  (an extra, and heavy)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"quality: the package {error.name}, which makes the checks, is not installed; "
            "pip install 'streamlake[quality]'"
        ) from None
    with tempfile.TemporaryDirectory(prefix="streamlake-quality-") as folder:
        settings: dict[str, Any] = {**SETTINGS, "temp_directory": str(Path(folder) / "spilled")}
        with duckdb.connect(str(Path(folder) / "rows.duckdb"), config=settings) as connection:
            database = Database(connection)
            for statement in LOCKED:
                database.run(statement)
            yield database


def identifier(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text as SQL takes it, whatever is in it: for where no `$name` may stand."""
    return "'" + value.replace("'", "''") + "'"


def _line(error: Exception) -> str:
    """The first paragraph of DuckDB's message, without the picture of the query below it."""
    return " ".join(str(error).split("\n\n")[0].split())
