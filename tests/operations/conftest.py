"""What tests of commands on a ledger alone share: the YAML of a lake that each file makes for itself."""

from pathlib import Path

import pytest
from support.engine import AWAY, pipeline_yaml
from support.lake import Lake


@pytest.fixture
def pipeline(lake: Lake, tmp_path: Path) -> str:
    """The YAML of a file's own fixture `lake`; its broker is away."""
    root = str(lake.root)
    return str(
        pipeline_yaml(tmp_path, AWAY, "orders", sink__root=root, kafka__group_id="group", sink__format="parquet")
    )
