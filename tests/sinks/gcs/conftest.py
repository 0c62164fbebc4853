"""A server with Google's documented semantics for each test, and a backend on it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.fault_proxy import FaultProxy
from support.gcs_server import GcsServer

from streamlake.plugins.sinks.file.backends.base import Backend
from streamlake.plugins.sinks.file.backends.registry import backend_of

MakeBackend = Callable[..., Backend]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsServer]:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    with GcsServer() as server:
        yield server


@pytest.fixture
def proxy(server: GcsServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def make_backend(proxy: FaultProxy) -> MakeBackend:
    """A backend on the bucket, through the proxy; `gcs` options may be added or replaced."""

    def make(root: str = "gs://streamlake/lake", **gcs: object) -> Backend:
        given = {"credentials": "anonymous", "endpoint": proxy.endpoint, "request_seconds_max": 2, **gcs}
        return backend_of(root, base_dir=Path("/"), gcs={key: value for key, value in given.items() if value})

    return make


@pytest.fixture
def backend(make_backend: MakeBackend) -> Backend:
    return make_backend()
