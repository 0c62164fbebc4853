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
        "kafka-away": (503, "Kafka can't be written to"),
        "not-stored": (503, "Kafka did not take the records"),
        "too-many-connections": (503, "Too many connections are open"),
        "outcome-unknown": (504, "It is not known whether Kafka has the records"),
    }
)
"""Each kind with its status and title. The kind is the `type` of the answer: `/docs#KIND`, which explains it."""

NOTHING = "Nothing was stored."
PERHAPS = "It may have been stored, in part or whole."


@dataclass(frozen=True, slots=True)
class Explanation:
    """What `/docs` says of a kind, in sentences: what it means, whether anything was stored, what to do."""

    meaning: str
    stored: str
    advice: str


EXPLAINED: Mapping[str, Explanation] = MappingProxyType(
    {
        "malformed": Explanation(
            "The body holds no record, is an array that is no JSON, or is not what its Content-Encoding says.",
            NOTHING,
            "Mend the body. Records that are sent as lines (application/x-ndjson) are decided one by one, so that a "
            "broken one does not stop the others.",
        ),
        "bad-request": Explanation(
            "This is no HTTP/1.1 as it is written down, asks for another protocol, or has a parameter or an "
            "Idempotency-Key that is not allowed; `detail` says which.",
            NOTHING,
            "Mend the request. Sending it again as it is gives the same answer.",
        ),
        "no-key": Explanation(
            "No API key was sent, it is not known here or was revoked, or two different ones were sent.",
            NOTHING,
            "Send one key, as `Authorization: Bearer KEY` or as `X-API-Key: KEY`. Whoever runs this edge has keys.",
        ),
        "wrong-stream": Explanation(
            "The API key is good, and is not for this stream; `detail` names those that it is for.",
            NOTHING,
            "Post to one of these, or ask whoever runs this edge for a key of this stream.",
        ),
        "unknown-stream": Explanation(
            "The address names a stream that is not there; `streams` has those that are.",
            NOTHING,
            "Mend the name in the address.",
        ),
        "not-found": Explanation(
            "The address is none of those on this page.",
            NOTHING,
            "Mend the address. Records are posted to /ingest/ and the name of a stream, with nothing after it.",
        ),
        "method-not-allowed": Explanation(
            "There is something under this address, and it takes other methods: the header Allow names them.",
            NOTHING,
            "Records are sent by POST, everything else is read by GET.",
        ),
        "not-acceptable": Explanation(
            "The answer is application/json, and the header Accept leaves that out.",
            NOTHING,
            "Send `Accept: application/json`, or leave it out.",
        ),
        "too-slow": Explanation(
            "The head or the body of the request did not come whole in the time that it may take.",
            NOTHING,
            "Send less at a time, or over a faster line; then send it again.",
        ),
        "length-required": Explanation(
            "The request says neither how long its body is nor that it comes in chunks.",
            NOTHING,
            "Send Content-Length, or Transfer-Encoding: chunked. Most clients do so when they are given a body.",
        ),
        "too-large": Explanation(
            "The body has more bytes or records than the stream takes, or grows too much when it is decompressed.",
            NOTHING,
            "Send it in several requests. The limits of each stream are on this page.",
        ),
        "unsupported-type": Explanation(
            "Content-Type or Content-Encoding is missing or is none of those that are taken.",
            NOTHING,
            "Send application/json for a record or an array of them, application/x-ndjson for a record a line; text "
            "in UTF-8, packed by gzip, by zstd or not at all.",
        ),
        "rate-limit": Explanation(
            "The API key has sent as many records to this stream as it may in this time.",
            NOTHING,
            "Wait as long as Retry-After says, then send it again.",
        ),
        "headers-too-large": Explanation(
            "The request has too many headers, or they are too long.",
            NOTHING,
            "Send fewer of them; cookies are the usual cause.",
        ),
        "internal": Explanation(
            "Something failed here that should not: the edge itself, or a stream's validator.",
            f"{PERHAPS} Where `detail` says that nothing was stored, nothing was.",
            "Tell whoever runs this edge the request_id, by which the logs know it. Send it again with the same "
            "Idempotency-Key.",
        ),
        "queue-full": Explanation(
            "More records wait for Kafka than this worker keeps: they come faster than Kafka takes them.",
            NOTHING,
            "Wait as long as Retry-After says, then send it again; if this goes on, send less.",
        ),
        "draining": Explanation(
            "The worker that this connection leads to is about to end, as in every restart.",
            NOTHING,
            "Send it again on a new connection, after what Retry-After says.",
        ),
        "kafka-away": Explanation(
            "Kafka does not answer, or the stream's topic is not there; it is asked again all the time.",
            NOTHING,
            "Wait as long as Retry-After says, then send it again, waiting longer each time.",
        ),
        "not-stored": Explanation(
            "Kafka was given the records and took none of them.",
            NOTHING,
            "Wait as long as Retry-After says, then send it again. If this goes on, `detail` tells whoever runs this "
            "edge why.",
        ),
        "too-many-connections": Explanation(
            "This worker has as many connections as it keeps at once.",
            NOTHING,
            "Wait as long as Retry-After says, then send it again. Use a connection for many requests.",
        ),
        "outcome-unknown": Explanation(
            "The records were given to Kafka, and it did not say in time what became of them.",
            PERHAPS,
            "Send it again with the same Idempotency-Key. It stands in the header streamlake.idempotency_key of each "
            "record, so that whoever reads the topic recognises a repetition. A connection that ends without an answer "
            "means the same.",
        ),
    }
)
"""Each kind of TITLES explained, in its order."""


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

    def wire(self) -> bytes:
        """The whole answer where no application gives it, with the connection's end."""
        status, title = TITLES[self.kind]
        body = self.body()
        head = [f"HTTP/1.1 {status} {title}", f"content-type: {PROBLEM_TYPE}", f"content-length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        head += ["connection: close", "", ""]
        return "\r\n".join(head).encode("ascii") + body
