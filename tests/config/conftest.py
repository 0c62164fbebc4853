"""Fixtures of the settings' tests."""

from pathlib import Path

import pytest
from support.yaml_file import YamlFile


@pytest.fixture
def yaml_file(tmp_path: Path) -> YamlFile:
    """A pipeline's YAML that a test may write as it likes."""
    return YamlFile(tmp_path)
