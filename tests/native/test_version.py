"""A compiled module that was built for another StreamLake is left alone, and told."""

import importlib
from collections.abc import Iterator
from types import ModuleType

import pytest
from structlog.testing import capture_logs

from streamlake.engine.compiled import VERSION, compiled

pytestmark = pytest.mark.usefixtures("native")


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, which is asked for anew."""
    monkeypatch.delenv("STREAMLAKE_NATIVE", raising=False)
    compiled.cache_clear()
    yield importlib.import_module("streamlake_native")
    monkeypatch.undo()
    compiled.cache_clear()


def test_one_that_was_built_for_this_is_used(module: ModuleType) -> None:
    assert compiled() is module


@pytest.mark.parametrize("version", [None, VERSION - 1, VERSION + 1])
def test_another_one_is_not_used(module: ModuleType, version: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if version is None:
        monkeypatch.delattr(module, "VERSION")
    else:
        monkeypatch.setattr(module, "VERSION", version)
    with capture_logs() as logs:
        assert compiled() is None
    assert [(said["found"], said["wanted"]) for said in logs] == [(version or 1, VERSION)]
