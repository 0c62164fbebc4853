"""Which operation of the JSON API a request is, and in which class Google charges it.

Classes: https://cloud.google.com/storage/pricing#operations-by-class (class A: insert, list, rewrite, move; class B:
get; free: delete). A resumable upload is one class A operation, whatever its chunks:
https://cloud.google.com/storage/docs/resumable-uploads. It is counted where it is begun.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

CLASS_OF_OPERATION = {
    "buckets.insert": "A",
    "objects.insert": "A",
    "objects.insert.simple": "A",
    "objects.list": "A",
    "objects.move": "A",
    "objects.rewrite": "A",
    "buckets.get": "B",
    "objects.get": "B",
    "objects.get.media": "B",
}
"""What is not here is free: delete, the chunks of an upload, asking how far it is."""

_UPLOAD = re.compile(r"/(?:resumable/)?upload/storage/v1/b/(?P<bucket>[^/]+)/o")
_OBJECT = r"/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<name>[^/]+)"
_ROUTES: tuple[tuple[re.Pattern[str], Mapping[str, str]], ...] = (
    (re.compile(_OBJECT), {"GET": "objects.get", "DELETE": "objects.delete"}),
    (re.compile(f"/download{_OBJECT}"), {"GET": "objects.get.media"}),
    (re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)/o"), {"GET": "objects.list"}),
    (re.compile(rf"{_OBJECT}/moveTo/o/(?P<target>[^/]+)"), {"POST": "objects.move"}),
    (
        re.compile(rf"{_OBJECT}/rewriteTo/b/(?P<target_bucket>[^/]+)/o/(?P<target>[^/]+)"),
        {"POST": "objects.rewrite", "PUT": "objects.rewrite"},
    ),
    (re.compile(r"/storage/v1/b"), {"POST": "buckets.insert"}),
    (re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)"), {"GET": "buckets.get"}),
)


@dataclass(frozen=True)
class Call:
    """One request: what it asks for, of which object, and the query's parameters.

    `operation` is `""` for a route that there is not. `target` and `target_bucket` are those of move and rewrite.
    """

    operation: str
    bucket: str = ""
    name: str = ""
    target_bucket: str = ""
    target: str = ""
    query: Mapping[str, str] = field(default_factory=dict)


def parse(method: str, target: str, content_range: str = "") -> Call:
    """The call of a request line, its path still percent-encoded; `content_range` is the header, for uploads."""
    path, _, text = target.partition("?")
    query = dict(parse_qsl(text, keep_blank_values=True))
    if found := _UPLOAD.fullmatch(path):
        operation = _upload_operation(method, query, content_range)
        return Call(operation, unquote(found["bucket"]), query.get("name", ""), query=query)
    for pattern, operations in _ROUTES:
        if found := pattern.fullmatch(path):
            operation = operations.get(method, "")
            if operation == "objects.get" and query.get("alt") == "media":
                operation = "objects.get.media"
            parts = {part: unquote(text) for part, text in found.groupdict().items()}
            return Call(operation, query=query, **parts)
    return Call("", query=query)


@dataclass
class Counts:
    """How many requests of each operation there were, and how many operations of each class Google would charge.

    A request that is answered 307, 4xx or 5xx is not charged (the price page, "Operation charges").
    """

    operations: Counter[str] = field(default_factory=Counter)
    charged: Counter[str] = field(default_factory=Counter)

    @property
    def class_a(self) -> int:
        """Operations of class A."""
        return self.charged["A"]

    @property
    def class_b(self) -> int:
        """Operations of class B."""
        return self.charged["B"]

    def add(self, operation: str, status: int | None) -> None:
        """Count one request that the server answered so; None: it never answered."""
        self.operations[operation or "none"] += 1
        charged = CLASS_OF_OPERATION.get(operation)
        if charged and status is not None and status < 400 and status != 307:
            self.charged[charged] += 1

    def clear(self) -> None:
        """Begin anew."""
        self.operations.clear()
        self.charged.clear()

    def as_json(self) -> dict[str, object]:
        """`{"operations": {…}, "class_a": n, "class_b": n}`."""
        return {"operations": dict(self.operations), "class_a": self.class_a, "class_b": self.class_b}


def _upload_operation(method: str, query: Mapping[str, str], content_range: str) -> str:
    if "upload_id" in query:
        if method == "DELETE":
            return "objects.insert.cancel"
        if method not in {"PUT", "POST"}:
            return ""
        return "objects.insert.status" if content_range.startswith("bytes */") else "objects.insert.chunk"
    if method != "POST":
        return ""
    return "objects.insert" if query.get("uploadType") == "resumable" else "objects.insert.simple"
