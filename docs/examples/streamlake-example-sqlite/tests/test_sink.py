"""The sink keeps StreamLake's contract, check by check."""

from pathlib import Path

import pytest
from streamlake_example_sqlite.sink import SqliteSink

from streamlake.engine.testing import SINK_CHECKS, Check, SinkBench, check_sink


@pytest.mark.parametrize("check", SINK_CHECKS, ids=str)
def test_the_sink_keeps_the_contract(check: Check[SinkBench], tmp_path: Path) -> None:
    """Each check works on a database of its own."""
    check_sink(SqliteSink, lambda name: {"root": f"{name}.db"}, base_dir=tmp_path, checks=[check])
