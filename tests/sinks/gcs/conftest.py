"""A backend on the server with Google's documented semantics, through the proxy."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.fault_proxy import FaultProxy

from streamlake.plugins.sinks.file.backends.base import Backend
from streamlake.plugins.sinks.file.backends.registry import backend_of

MakeBackend = Callable[..., Backend]


@pytest.fixture
def make_backend(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> MakeBackend:
    """Options of `sink.gcs` may be added or replaced; None leaves one out."""
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)

    def make(root: str = "gs://streamlake/lake", **gcs: object) -> Backend:
        given = {"credentials": "anonymous", "endpoint": proxy.endpoint, "request_seconds_max": 2, **gcs}
        return backend_of(root, base_dir=Path("/"), gcs={key: value for key, value in given.items() if value})

    return make


@pytest.fixture
def backend(make_backend: MakeBackend) -> Backend:
    return make_backend()
