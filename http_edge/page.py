"""The page under /docs: how to post to this edge's streams, and what each kind of problem means; for people."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from types import MappingProxyType

import orjson

from streamlake.http_edge.edge import Edge
from streamlake.http_edge.openapi_schemas import Words
from streamlake.http_edge.problems import EXPLAINED, TITLES
from streamlake.http_edge.streams import Stream

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
pre, table { overflow-x: auto; border: 1px solid #8886; border-radius: 4px; }
pre { padding: .75rem; font-size: .875rem; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem; border-bottom: 1px solid #8886; }
th { font-weight: 600; white-space: nowrap; }
section:target { outline: 2px solid #d80; outline-offset: .5rem; }
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
)
"""With these a browser loads nothing for the page and runs nothing in it, whatever a name or a schema may hold."""

_ANSWER = """HTTP/1.1 207 Multi-Status
{"stored": 1, "refused": 1, "unknown": 0, "results": [
  {"index": 0, "status": "stored", "topic": "orders", "partition": 1, "offset": 1207},
  {"index": 1, "status": "refused", "reason": "invalid", "field": "/total", "message": "…",
   "dead_letter": {"topic": "orders.dlq", "partition": 0, "offset": 17}}]}"""


def page(edge: Edge, records: Mapping[str, Words]) -> str:
    """The page, with what a record of each stream looks like."""
    title = f"{edge.config.pipeline}: records over HTTP into Kafka"
    with_keys = edge.keys is not None
    streams = "".join(_stream(stream, records[name], with_keys) for name, stream in edge.streams.items())
    kinds = "".join(map(_problem, TITLES))
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>
<body>
<h1>{escape(title)}</h1>
<p>What is answered as stored, Kafka has. For programs the same is in <a href="/openapi.json">/openapi.json</a>
(OpenAPI 3.1).</p>
<h2 id="post">Post</h2>
{_how(edge)}
<h2 id="streams">Streams</h2>
{streams}
<h2 id="answer">The answer</h2>
{_ABOUT_ANSWERS}
<h2 id="problems">Problems</h2>
<p>Everything else is answered as application/problem+json, with <code>type</code>, <code>title</code>,
<code>status</code>, <code>detail</code> and <code>request_id</code>; <code>type</code> leads here.</p>
{kinds}
<h2 id="operation">Operation</h2>
<p><a href="/livez">/livez</a>: this process serves. <a href="/readyz">/readyz</a>: records posted now would be taken.
<a href="/metrics">/metrics</a>: for Prometheus.</p>
</body>
</html>
"""


_ABOUT_ANSWERS = f"""<p>It comes when Kafka has said what became of each record: 202 all are stored, 422 all were
refused, 207 each its own. There is a result for each record, in order; <code>?detail=summary</code> leaves them out.
A record that was refused is not in the topic: a copy of it with the reason is in the dead letters, if the stream has
a topic for these. One that is <code>unknown</code> may or may not be in the topic.</p>
<pre>{escape(_ANSWER)}</pre>
<p>A record that was stored has, as headers, the request's <code>traceparent</code> and its
<code>Idempotency-Key</code> with its own index, so that a repetition can be recognised.</p>
"""


def _how(edge: Edge) -> str:
    name, key, about = next(iter(edge.streams)), "", ""
    commands = ["URL=http://127.0.0.1:8080   # the address of this page, without /docs"]
    if edge.keys is not None:
        key = " -H @key.header"
        about = "<p>The API key goes into a file that only you can read: so it stands in no history and no list of "
        about += "processes.</p>"
        ask = "printf 'API key: '; read -rs KEY; printf 'Authorization: Bearer %s\\n' \"$KEY\" > key.header"
        commands.append(f"( umask 077; {ask} )")
    post = f'"$URL/ingest/{name}"{key}'
    commands += [
        "",
        "# one record, or an array of them",
        f"curl {post} -H 'Content-Type: application/json' --data-binary @record.json",
        "",
        "# a record a line, packed; sent again with the same key where the answer was lost",
        f"gzip -c records.ndjson | curl {post} -H 'Content-Type: application/x-ndjson' \\",
        "  -H 'Content-Encoding: gzip' -H 'Idempotency-Key: 2026-01-31-a' --data-binary @-",
    ]
    return f"{about}<pre>{escape(chr(10).join(commands))}</pre>"


def _stream(stream: Stream, record: Words, with_keys: bool) -> str:
    text = orjson.dumps(record, option=orjson.OPT_INDENT_2).decode()
    facts = _facts(stream, with_keys)
    rows = "".join(f"<tr><th>{escape(what)}</th><td>{escape(value)}</td></tr>" for what, value in facts)
    return f"""<h3 id="stream-{escape(stream.name)}"><code>POST /ingest/{escape(stream.name)}</code></h3>
<table>{rows}</table>
<details><summary>What a record looks like (JSON Schema)</summary><pre>{escape(text)}</pre></details>
"""


def _facts(stream: Stream, with_keys: bool) -> Iterator[tuple[str, str]]:
    """What is to be known of a stream, in words."""
    settings = stream.settings
    yield "topic", stream.topic
    yield "dead letters", stream.dead_letter_topic or "none: a refused record is in the answer alone"
    yield "record's key", settings.key_field or "none"
    yield "records in a request", f"{settings.records_max} at most"
    yield "body", f"{settings.body_max} bytes at most, as it is sent"
    yield "body of gzip or zstd", f"{settings.decompressed_max} bytes at most, once decompressed"
    whose = "of each API key" if with_keys else "in all"
    yield "rate", "no limit" if settings.rate is None else f"{settings.rate:g} records a second {whose}"


def _problem(kind: str) -> str:
    (status, title), explained = TITLES[kind], EXPLAINED[kind]
    return f"""<section id="{escape(kind)}"><h3>{status} <code>{escape(kind)}</code></h3>
<p><strong>{escape(title)}.</strong> {escape(explained.meaning)}</p>
<p>{escape(explained.stored)} {escape(explained.advice)}</p></section>
"""
