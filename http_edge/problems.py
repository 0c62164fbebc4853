"""What is answered where a request can't be taken: problem details (RFC 9457), each kind with a page of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import orjson

PROBLEM_TYPE = "application/problem+json"

TITLES: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "malformed": (400, "The body can't be taken apart into records"),
        "bad-request": (400, "This is no request that can be understood"),
        "no-key": (401, "An API key is needed"),
        "wrong-stream": (403, "The API key is not for this stream"),
        "unknown-stream": (404, "There is no such stream"),
        "not-found": (404, "There is nothing under this address"),
        "method-not-allowed": (405, "This address takes other methods"),
        "not-acceptable": (406, "The answer is JSON, and the request takes none"),
        "too-slow": (408, "The request took too long to come"),
        "length-required": (411, "The length of the body is needed"),
        "too-large": (413, "The body is too large"),
        "unsupported-type": (415, "The body is of a type that is not taken"),
        "rate-limit": (429, "More records than the API key may send"),
        "headers-too-large": (431, "The request's headers are too large"),
        "internal": (500, "The edge failed, which is a bug"),
        "queue-full": (503, "Too much is waiting for Kafka"),
        "draining": (503, "This worker is about to end"),
        "kafka-away": (503, "Kafka can't be reached"),
        "not-stored": (503, "Kafka did not take the records"),
        "too-many-connections": (503, "Too many connections are open"),
        "outcome-unknown": (504, "It is not known whether Kafka has the records"),
    }
)
"""Each kind with its status and title. The kind is the `type` of the answer: `/docs#KIND`, which explains it."""


@dataclass
class ProblemError(Exception):
    """A request ends with this answer. `headers` are added to it, `more` stands beside `detail`."""

    kind: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, object] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return TITLES[self.kind][0]

    def body(self, request_id: str | None = None) -> bytes:
        """The answer's body."""
        status, title = TITLES[self.kind]
        said: dict[str, object] = {
            "type": f"/docs#{self.kind}",
            "title": title,
            "status": status,
            "detail": self.detail,
        }
        if request_id is not None:
            said["request_id"] = request_id
        return orjson.dumps({**said, **self.more})
