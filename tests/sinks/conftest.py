"""A storage server with Google's documented semantics for each test, and a proxy before it that breaks requests."""

from collections.abc import Iterator

import pytest
from support.fault_proxy import FaultProxy
from support.gcs.client import Api
from support.gcs_server import GcsServer


@pytest.fixture
def server() -> Iterator[GcsServer]:
    with GcsServer() as server:
        yield server


@pytest.fixture
def proxy(server: GcsServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def api(server: GcsServer) -> Api:
    """A plain client of the server, which repeats nothing."""
    return Api(server.endpoint)
