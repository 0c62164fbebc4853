"""A folder for a demo of one's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.source import ROOT

from streamlake.engine.local.demo.kept import emptied


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that looks like a clone to the demo, and is the current one. No server that was kept outlives it."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    monkeypatch.chdir(tmp_path)
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "KEEP", "SINK", "STORY"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    with emptied(tmp_path / ".demo"):
        pass
