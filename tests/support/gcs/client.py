"""The JSON API spoken byte by byte, without a library that repeats, guesses or repairs."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

SECONDS_MAX = 20.0
QUARTER_MIB_BYTES = 256 * 1024


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """Google's word for what is wrong; empty where the reply is no JSON."""
        return str(self.json["error"]["errors"][0]["reason"]) if self.body[:1] == b"{" else ""

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and reason."""
        return self.status, self.reason

    @property
    def message(self) -> str:
        """Google's sentence for what is wrong."""
        return str(self.json["error"]["message"])


class Api:
    """One bucket at one endpoint; a connection for each request, unless `kept`."""

    def __init__(self, endpoint: str, bucket: str = "streamlake", token: str = "", kept: bool = False) -> None:
        self.bucket = bucket
        self.endpoint, self._token = endpoint, token
        self._connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=SECONDS_MAX) if kept else None

    def ask(
        self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None, seconds: float = 0.0
    ) -> Reply:
        """One request, one reply. Raises what http.client raises."""
        headers = dict(headers or {})
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = self._connection or http.client.HTTPConnection(
            urlsplit(self.endpoint).netloc, timeout=seconds or SECONDS_MAX
        )
        try:
            connection.request(method, target, body, headers)
            reply = connection.getresponse()
            return Reply(reply.status, reply.headers, reply.read())
        finally:
            if connection is not self._connection:
                connection.close()

    def close(self) -> None:
        """The kept connection goes."""
        if self._connection is not None:
            self._connection.close()

    def begin(self, name: str, resource: dict[str, Any] | None = None, **query: object) -> Reply:
        """Begin a resumable upload; the reply's Location is its session."""
        text = urlencode({"uploadType": "resumable", "name": name, **query})
        target = f"/upload/storage/v1/b/{self.bucket}/o?{text}"
        return self.ask("POST", target, json.dumps(resource or {}).encode(), {"Content-Type": "application/json"})

    def session(self, name: str, **query: object) -> str:
        """The request target of a new session."""
        location = self.begin(name, None, **query).headers["Location"]
        assert location.startswith(self.endpoint), location
        return location.removeprefix(self.endpoint)

    def chunk(self, session: str, data: bytes, content_range: str = "", method: str = "PUT", **headers: str) -> Reply:
        """Send one chunk, or ask with an empty one; `content_range` as `0-99/*`."""
        ranged = {"Content-Range": f"bytes {content_range}"} if content_range else {}
        return self.ask(method, session, data, {**ranged, **headers})

    def put(self, name: str, data: bytes, **query: object) -> Reply:
        """A whole object by a resumable upload of one chunk."""
        begun = self.begin(name, None, **query)
        if begun.status != 200:
            return begun
        return self.chunk(begun.headers["Location"].removeprefix(self.endpoint), data)

    def about(self, method: str, name: str, rest: str, query: Mapping[str, object]) -> Reply:
        """A request about one object: `rest` is a path behind it."""
        target = f"/storage/v1/b/{self.bucket}/o/{quote(name, safe='')}{rest}?{urlencode(query)}"
        return self.ask(method, target)

    def meta(self, name: str, **query: object) -> Reply:
        """Its metadata."""
        return self.about("GET", name, "", query)

    def media(self, name: str, byte_range: str = "", **query: object) -> Reply:
        """Its bytes, or some of them."""
        headers = {"Range": f"bytes={byte_range}"} if byte_range else {}
        target = f"/storage/v1/b/{self.bucket}/o/{quote(name, safe='')}?{urlencode({**query, 'alt': 'media'})}"
        return self.ask("GET", target, headers=headers)

    def delete(self, name: str, **query: object) -> Reply:
        """Delete it."""
        return self.about("DELETE", name, "", query)

    def move(self, name: str, target: str, **query: object) -> Reply:
        """Rename it."""
        return self.about("POST", name, f"/moveTo/o/{quote(target, safe='')}", query)

    def rewrite(self, name: str, target: str, **query: object) -> Reply:
        """Copy it, or a part of it."""
        return self.about("POST", name, f"/rewriteTo/b/{self.bucket}/o/{quote(target, safe='')}", query)

    def page(self, **query: object) -> Any:
        """One page of a listing."""
        return self.ask("GET", f"/storage/v1/b/{self.bucket}/o?{urlencode(query)}").json

    def generation(self, name: str) -> int:
        """Of the live object."""
        return int(self.meta(name).json["generation"])
