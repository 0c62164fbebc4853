"""Who may post what, decided by a request's head alone: before a byte of its body is read or asked for."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

import falcon

from streamlake.http_edge.bodies import ENCODINGS, too_large
from streamlake.http_edge.edge import Edge
from streamlake.http_edge.keys import presented_key
from streamlake.http_edge.problems import ProblemError
from streamlake.http_edge.splitting import SPLITTERS
from streamlake.http_edge.streams import Stream

Head = Mapping[bytes, bytes]
"""A request's headers by their names in small letters."""

RETRY_SECONDS = 1
IDEMPOTENCY_KEY = re.compile(rb"[!-~]{1,255}")
ANYTHING = b"*/*"
JSON = "application/json"
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\";\s]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Admitted:
    """What is known of a request that may send its body. `owner` names who sends, for quotas."""

    stream: Stream
    owner: str
    encoding: str
    split: Callable[[bytes, int], Sequence[bytes]]
    idempotency_key: bytes | None
    summary: bool


def admit(edge: Edge, stream_name: str, head: Head, query: bytes) -> Admitted:
    """What is known of the request. Raises ProblemError: it may not, not here, not like this, or not now."""
    owner, stream = _authorized(edge, stream_name, head)
    _check_accept(head)
    split, encoding = _splitter(head), _encoding(head)
    _check_length(head, stream.settings.body_max)
    idempotency_key, summary = _idempotency_key(head), _wants_summary(query)
    check_open(edge, stream)
    return Admitted(stream, owner, encoding, split, idempotency_key, summary)


def _authorized(edge: Edge, stream_name: str, head: Head) -> tuple[str, Stream]:
    owner, known = "", list(edge.streams)
    if edge.keys is not None:
        presented = presented_key(_text(head, b"authorization"), _text(head, b"x-api-key"))
        entry = None if presented is None else edge.keys.find(presented)
        if entry is None:
            what = "no API key was sent" if presented is None else "the API key is not known here"
            detail = f"{what}: send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`"
            raise ProblemError("no-key", detail, {"WWW-Authenticate": 'Bearer realm="streamlake"'})
        owner, known = entry.id, [name for name in known if entry.may(name)]
        if stream_name in edge.streams and stream_name not in known:
            raise ProblemError("wrong-stream", f"the API key {entry.id} is not for {stream_name}: {_known(known)}")
    stream = edge.streams.get(stream_name)
    if stream is None:
        detail = f"there is no stream {stream_name[:100]!r}: {_known(known)}"
        raise ProblemError("unknown-stream", detail, more={"streams": known})
    return owner, stream


def _known(names: Sequence[str]) -> str:
    return f"there are {', '.join(names)}" if names else "there is none for this key"


def _check_accept(head: Head) -> None:
    accept = head.get(b"accept", ANYTHING)
    if accept in (ANYTHING, b""):
        return
    said = _readable(accept)
    try:
        acceptable = falcon.mediatypes.quality(JSON, said) > 0
    except falcon.InvalidMediaType:  # of which InvalidMediaRange is one
        raise ProblemError("bad-request", f"Accept is {said[:200]}, which is no list of types") from None
    if not acceptable:
        raise ProblemError("not-acceptable", f"the answer is {JSON}, and Accept is {said[:200]}")


def _splitter(head: Head) -> Callable[[bytes, int], Sequence[bytes]]:
    said = _readable(head.get(b"content-type", b""))
    media, _, parameters = said.partition(";")
    split = SPLITTERS.get(media.strip().lower())
    charset = _CHARSET.search(f";{parameters}") if parameters else None
    if split is not None and (charset is None or charset[1].lower() in {"utf-8", "utf8", "us-ascii"}):
        return split
    what = f"Content-Type is {said[:200]}" if said else "there is no Content-Type"
    detail = f"{what}; send application/json for an object or an array, application/x-ndjson for lines; in UTF-8"
    raise ProblemError("unsupported-type", detail, {"Accept-Post": ", ".join(SPLITTERS)})


def _encoding(head: Head) -> str:
    said = _readable(head.get(b"content-encoding", b"identity")).strip().lower()
    encoding = {"x-gzip": "gzip", "": "identity"}.get(said, said)
    if encoding in ENCODINGS:
        return encoding
    detail = f"Content-Encoding is {said[:200]}; what is taken is {', '.join(ENCODINGS)}, one at a time"
    raise ProblemError("unsupported-type", detail, {"Accept-Encoding": ", ".join(ENCODINGS)})


def _check_length(head: Head, limit: int) -> None:
    """A body has a length that is taken, or comes in chunks, which are counted when they are read."""
    said = head.get(b"content-length")
    if said is None:
        coding = head.get(b"transfer-encoding")
        if coding is None:
            raise ProblemError("length-required", "send Content-Length, or the body in chunks (Transfer-Encoding)")
        if coding.lower() != b"chunked":
            detail = f"Transfer-Encoding is {_readable(coding)[:200]}, and chunked alone is taken"
            detail += "; say how a body is compressed in Content-Encoding"
            raise ProblemError("bad-request", detail, {"Connection": "close"})  # who knows where it ends
        return
    length = int(said.lstrip(b"0") or b"0")  # the parser takes digits only, and as many zeros as there are
    if length > limit:
        raise too_large(f"the body has {length} bytes, and {limit} are taken", limit)


def _idempotency_key(head: Head) -> bytes | None:
    key = head.get(b"idempotency-key")
    if key is None or IDEMPOTENCY_KEY.fullmatch(key):
        return key
    raise ProblemError("bad-request", "Idempotency-Key must be 1 to 255 visible characters of ASCII")


def _wants_summary(query: bytes) -> bool:
    if not query:
        return False
    for name, value in parse_qsl(_readable(query), keep_blank_values=True):
        if name == "detail" and value in ("summary", "full"):
            return value == "summary"
        if name == "detail":
            raise ProblemError("bad-request", f"detail is {value[:100]!r}, and may be summary or full")
    return False


def check_open(edge: Edge, stream: Stream) -> None:
    """Raises ProblemError where Kafka can't be given anything now."""
    if edge.time_is_up:
        raise _later("draining", "this worker is about to end; another one takes the request")
    for topic in stream.topics:
        why = edge.circuit.wrong_with(topic)
        if why is not None:
            raise _later("kafka-away", f"nothing was stored: {why}")
    if edge.queue_is_full:
        raise _later("queue-full", "nothing was stored: too much waits for Kafka already")


def _later(kind: str, detail: str) -> ProblemError:
    return ProblemError(kind, detail, {"Retry-After": str(RETRY_SECONDS)})


def _text(head: Head, name: bytes) -> str | None:
    value = head.get(name)
    return None if value is None else _readable(value)


def _readable(value: bytes) -> str:
    return value.decode("latin-1")
