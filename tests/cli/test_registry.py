"""Plugins by name and by import path; one that fails by itself is told apart from one that is not there."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamlake.engine.errors import ConfigError
from streamlake.engine.registry import add_python_path, installed, sink_class, validator_class

OWN = """
class Mine:
    payload, fingerprint = "bytes", "mine/1"
    @classmethod
    def from_options(cls, options, *, columns, base_dir): return cls()
    def validate(self, batch): ...
class Half:
    def validate(self, batch): ...
value = 7
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with modules of one's own, on the path as `python_path` puts it."""
    before = list(sys.path)
    add_python_path([tmp_path, tmp_path])
    assert sys.path == [*before, str(tmp_path)], "at the end, once: it can't hide an installed module"
    (tmp_path / "own_plugins.py").write_text(OWN)
    (tmp_path / "own_failing.py").write_text("x = 1\nimport not_installed_library\n")
    (tmp_path / "own_wrong.py").write_text("x = 1\n\nraise RuntimeError('no licence')\n")
    yield tmp_path
    sys.path[:] = before
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


def test_an_installed_plugin_is_found_by_its_name() -> None:
    assert validator_class("json").__name__ == "JsonValidator"
    assert sink_class("file").__name__ == "FileSink"
    assert {point.name for point in installed("validator")} >= {"none", "json", "jsonschema", "pydantic"}


def test_one_of_your_own_is_found_by_its_import_path(folder: Path) -> None:
    assert validator_class("own_plugins:Mine").__name__ == "Mine"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("jsno", "there is no validator 'jsno'; did you mean json? installed: json, jsonschema, none, pydantic"),
        ("", "there is no validator ''; installed:"),
        ("own_nowhere:X", "there is no module own_nowhere (for 'own_nowhere:X'): is it installed, or its folder in"),
        ("streamlake.plugins.nowhere:X", "there is no module streamlake.plugins.nowhere"),
        ("own_plugins:Mien", "the module own_plugins has no Mien; did you mean own_plugins:Mine?"),
        ("own_plugins:", "the module own_plugins has no class named after a colon"),
        ("own_plugins:Half", "own_plugins:Half is no validator: it has no from_options"),
        ("own_plugins:value", "own_plugins:value is no validator"),
        ("own_failing:X", "own_failing.py:2: ModuleNotFoundError: No module named 'not_installed_library'"),
        ("own_wrong:X", "own_wrong.py:3: RuntimeError: no licence"),
    ],
)
def test_what_can_not_be_used_is_said_with_what_to_do(folder: Path, name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validator_class(name)
    assert said in str(caught.value)
    assert ("its import failed" in str(caught.value)) is name.startswith(("own_failing", "own_wrong"))


def test_a_validator_is_no_sink() -> None:
    with pytest.raises(ConfigError, match="is no sink: it has no partition, ledger"):
        sink_class("streamlake.plugins.validators.json:JsonValidator")
