"""The page for people: it explains each problem where the problem says so, and loads and runs nothing."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

from support.idle_edge import ORDER, STREAMS, edge_of, with_keys

from streamlake.http_edge.edge import Edge
from streamlake.http_edge.openapi import record_schemas
from streamlake.http_edge.page import HEADERS, page
from streamlake.http_edge.problems import EXPLAINED, TITLES, ProblemError

HARMLESS = {"html", "head", "meta", "title", "style", "body", "section", "h1", "h2", "h3", "p", "pre", "a", "code"} | {
    *("strong", "table", "tr", "th", "td", "details", "summary"),
}
VOID = {"meta"}


class Read(HTMLParser):
    """What stands in a page: tags, ids, attributes, and the text within each id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.attributes: set[tuple[str, str]] = set()
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag that is opened."""
        self.tags.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """A tag that is closed: the last one that was opened."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text."""
        self.text += data


def made(edge: Edge) -> str:
    """The page of an edge."""
    return page(edge, record_schemas(edge))


def test_every_kind_of_problem_is_explained_in_the_order_of_its_titles() -> None:
    assert list(EXPLAINED) == list(TITLES)
    for explained in EXPLAINED.values():
        assert all(text.endswith(".") for text in (explained.meaning, explained.stored, explained.advice))


def test_the_type_of_each_problem_leads_to_what_explains_it(tmp_path: Path) -> None:
    found = Read(made(edge_of(tmp_path, STREAMS)))
    assert len(found.ids) == len(set(found.ids))
    for kind, (status, title) in TITLES.items():
        leads_to = re.search(rb'"type":"/docs#([^"]+)"', ProblemError(kind, "").body())
        assert leads_to
        assert leads_to[1].decode() in found.ids
        assert f"{status} {kind}" in found.text
        for sentence in (title, EXPLAINED[kind].meaning, EXPLAINED[kind].stored, EXPLAINED[kind].advice):
            assert sentence in found.text


def test_the_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    found = Read(made(edge_of(tmp_path, STREAMS, **with_keys(tmp_path))))
    assert found.tags <= HARMLESS
    assert {name for name, _ in found.attributes} <= {"id", "href", "lang", "charset", "name", "content"}
    hrefs = {value for name, value in found.attributes if name == "href"}
    assert hrefs == {"/openapi.json", "/livez", "/readyz", "/metrics"}


def test_the_policy_lets_the_page_have_its_own_style_and_nothing_else(tmp_path: Path) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", made(edge_of(tmp_path, STREAMS)), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; "))
    assert policy.pop("style-src") == f"'sha256-{digest}'"
    assert policy == dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
    assert "url(" not in style
    assert "@import" not in style


def test_what_others_have_written_is_text(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;</pre>"
    schema = {"description": bad, "properties": {bad: {}}, "$defs": {bad: {"title": bad}}}
    streams = {"orders": {"validator": {"type": "jsonschema", "schema": schema}, "key_field": f"/{bad}"}}
    text = made(edge_of(tmp_path, streams))
    found = Read(text)
    assert found.tags <= HARMLESS
    assert found.text.count("<script>alert(1)</script>") == 4
    assert "<script" not in text
    assert "<img" not in text


def test_each_stream_is_there_with_its_limits(tmp_path: Path) -> None:
    orders = {"validator": ORDER, "records_max": 7, "body_max": 1234, "decompressed_max": 5678, "rate": "10/s"}
    edge = edge_of(tmp_path, {"orders": orders, "more": {}}, **with_keys(tmp_path))
    found = Read(made(edge))
    assert {"stream-orders", "stream-more"} <= set(found.ids)
    for words in ("7 at most", "1234 bytes", "5678 bytes", "10 records a second of each API key", "orders.raw.dlq"):
        assert words in found.text
    assert '"order_id"' in found.text


def test_a_key_is_asked_for_in_the_examples_where_one_is_needed(tmp_path: Path) -> None:
    assert "@key.header" not in Read(made(edge_of(tmp_path, STREAMS))).text
    assert "-H @key.header" in Read(made(edge_of(tmp_path, STREAMS, **with_keys(tmp_path)))).text


def test_the_page_tells_no_path_of_the_machine(tmp_path: Path) -> None:
    assert str(tmp_path) not in made(edge_of(tmp_path, STREAMS, **with_keys(tmp_path)))
