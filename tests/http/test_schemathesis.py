"""schemathesis against a running edge: whatever is sent, the answer is one that /openapi.json has."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from schemathesis.checks import CheckFunction
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from support.edge import JSON, LINES, RunningEdge, edge_yaml
from support.idle_edge import NUMBERED, ORDER
from support.shared import SharedKafka

from streamlake.http_edge.keys_file import new_key
from streamlake.http_edge.page import HEADERS

SETTINGS: dict[str, Any] = {
    "seed": 8,
    "generation": {
        "max-examples": 60,
        "deterministic": True,
        "database": "none",
        "with-security-parameters": False,  # the key is a real one
    },
    # All checks are on; two are told what they can't know.
    "checks": {
        # A record that fits its schema may be refused: for an integer that 64 bits do not hold, or a 1.0 where the
        # model wants an integer. What must not be is that the request is not taken.
        "positive_data_acceptance": {"expected-statuses": ["2xx", "422"]},
        # An array with refused records in it is taken, and 207 says which. By default 5xx would do, too.
        "negative_data_rejection": {"expected-statuses": ["207", "4xx"]},
    },
}


@dataclass(frozen=True)
class Posting:
    """A running edge, and a key of it."""

    edge: RunningEdge
    key: str


@pytest.fixture(scope="module")
def posting(kafka: SharedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Posting]:
    """An edge with a stream for each way to describe a record."""
    streams = {
        "orders": {"validator": ORDER, "records_max": 5},
        "numbered": {"validator": {"type": "jsonschema", "schema": NUMBERED}},
    }
    folder = tmp_path_factory.mktemp("edge")
    key, _ = new_key(folder / "keys.json", "tests", ["*"])
    path = edge_yaml(
        folder, kafka.bootstrap_servers, http__streams=streams, http__auth="keys", http__keys_file="keys.json"
    )
    with RunningEdge(path) as edge:
        yield Posting(edge, key)


@pytest.fixture(scope="module")
def document(posting: Posting) -> BaseSchema:
    """What the edge says of itself, as schemathesis reads it."""
    config = schemathesis.Config.from_dict(SETTINGS)
    return schemathesis.openapi.from_url(f"{posting.edge.url}/openapi.json", config=config)


@pytest.fixture(autouse=True)
def _named(request: pytest.FixtureRequest) -> None:
    """schemathesis 4.32.5 reads and writes a name that pytest 9.2 no longer has."""
    vars(request.node)["_nodeid"] = request.node.nodeid


@schemathesis.serializer(LINES)
def _lines(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


schema = schemathesis.pytest.from_fixture("document")


@schema.parametrize()
def test_what_is_answered_is_what_the_document_says(case: schemathesis.Case[Any], posting: Posting) -> None:
    # A schema says nothing of what the lines of a text have to be: of such a body it can't be known whether it is good.
    unknowable: list[CheckFunction] = (
        [negative_data_rejection, positive_data_acceptance] if case.media_type == LINES else []
    )
    case.call_and_validate(headers={"Authorization": f"Bearer {posting.key}"}, excluded_checks=unknowable)


def test_the_document_and_the_page_are_read_without_a_key_and_tell_none(posting: Posting) -> None:
    document, page = (posting.edge.request("GET", path) for path in ("/openapi.json", "/docs"))
    assert (document.status, document.headers["content-type"]) == (200, JSON)
    assert list(document.json["paths"])[:2] == ["/ingest/numbered", "/ingest/orders"]
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert {name: page.headers[name.lower()] for name in HEADERS} == HEADERS
    for answered in (document, page):
        assert posting.key.encode() not in answered.body
        assert posting.edge.address[0].encode() + b":%d" % posting.edge.address[1] not in answered.body
