"""The demo's report: one HTML page that asks nobody for anything, light or dark as its reader's screen is."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from streamlake.engine.local.demo.html import Html, joined, tag
from streamlake.engine.local.demo.plot import plots
from streamlake.engine.local.demo.recording import Chapter, Hop, Recording, Told
from streamlake.engine.local.demo.settings import Settings

LOG_LINES_MAX = 400
VALUE_CHARACTERS_MAX = 300
# A reader's browser refuses to load anything, should there ever be something to load.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
HEAD = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,"><title>{title}</title>
<style>
{css}</style></head>
"""
AS_TOLD = {"step": "\n", "say": "", "command": "  $ ", "output": "    ", "event": "    ", "ok": "   ok  "}


def page(recording: Recording, settings: Settings) -> str:
    """All that was told and seen, as HTML."""
    title = "StreamLake: the demo's report"
    css = files("streamlake.engine.local.demo").joinpath("report.css").read_text()
    opening, *stories = recording.chapters
    body = tag(
        "body",
        tag("h1", title),
        tag("p", _verdict(recording), class_="verdict"),
        tag("p", _circumstances(recording, settings), class_="dim"),
        tag("p", recording.failure, class_="failure") if recording.failure else Html(""),
        _bars(recording, stories),
        *(_story(chapter) for chapter in stories),
        _log_part("What it ran on", opening),
    )
    return HEAD.format(policy=POLICY, title=title, css=css) + body + "\n</html>\n"


def _verdict(recording: Recording) -> Html:
    checks = [line for chapter in recording.chapters for line in chapter.checks]
    wrong = sum(line.kind == "wrong" for line in checks)
    if recording.failure:
        return tag("span", "It broke off before its end.", class_="wrong")
    if wrong:
        return tag("span", f"{wrong} of {len(checks)} counts are off.", class_="wrong")
    return tag("span", f"All {len(checks)} counts agree: nothing is lost, nothing is twice.", class_="ok")


def _circumstances(recording: Recording, settings: Settings) -> str:
    began = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(recording.began_at))
    kafka = "a Kafka of its own" if settings.servers is None else f"the Kafka at {settings.servers}"
    lake = "Parquet in a folder" if settings.sink == "file" else "Parquet in a bucket of a fake Google Cloud Storage"
    took = f"{recording.chapter.ended:.0f} s on {os.cpu_count()} cores"
    return f"{began}, {took}: {settings.records:,} orders a story, {kafka}, {lake}."


def _bars(recording: Recording, stories: Sequence[Chapter]) -> Html:
    """When each story was told, and what was done to the system meanwhile."""
    whole = max(recording.chapter.ended, 0.001)

    def percent(seconds: float) -> str:
        return f"{100 * seconds / whole:.2f}%"

    bars = [
        tag(
            "a",
            tag("span", tag("span", _marked(chapter)), tag("span", _took(chapter), class_="number"), class_="row"),
            tag(
                "span",
                tag("span", style=f"left:{percent(chapter.began)};width:{percent(chapter.ended - chapter.began)}"),
                *(tag("i", style=f"left:{percent(mark.seconds)}", title=mark.what) for mark in chapter.marks),
                class_="track",
            ),
            href=f"#{chapter.name}",
        )
        for chapter in stories
    ]
    return tag("div", *bars, class_="bars")


def _marked(chapter: Chapter) -> Html:
    fine = chapter.checks and all(line.kind == "ok" for line in chapter.checks)
    return tag("span", chapter.title, class_="ok" if fine else "wrong")


def _took(chapter: Chapter) -> str:
    return f"{chapter.ended - chapter.began:.0f} s"


def _story(chapter: Chapter) -> Html:
    return tag(
        "section",
        tag("h2", chapter.title),
        tag("p", tag("code", f"make demo STORY={chapter.name}"), class_="dim"),
        _part("The account", _checks(chapter.checks)),
        _part("Counted at each hop", _hops(chapter.hops)),
        _part("Lag and throughput, as the engine's /status said them", plots(chapter)),
        _part("Timeline", _timeline(chapter)),
        _part("Some of what landed", _records(_row(row) for row in chapter.rows)),
        _part("Some of what was refused", _records(_letter(letter) for letter in chapter.letters)),
        _log_part("In full", chapter),
        id=chapter.name,
    )


def _part(title: str, inside: Html) -> Html:
    return joined((tag("h3", title), inside)) if inside else Html("")


def _checks(checks: Sequence[Told]) -> Html:
    return tag("ul", *(tag("li", line.text, class_=line.kind) for line in checks), class_="checks")


def _hops(hops: Sequence[Hop]) -> Html:
    if not hops:
        return Html("")
    head = tag("tr", tag("th", "where"), tag("th", "records", class_="number"), tag("th", "counted by", class_="by"))
    rows = [
        tag(
            "tr",
            tag("td", hop.place.strip(), class_="inner" if hop.place.startswith(" ") else "place"),
            tag("td", f"{hop.records:,}", class_="number"),
            tag("td", hop.by, class_="by"),
        )
        for hop in hops
    ]
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="hops")


def _timeline(chapter: Chapter) -> Html:
    """The steps, and between them what was done to the system."""
    told = [(line.seconds, line.text, "step") for line in chapter.told if line.kind == "step"]
    marks = [(mark.seconds, mark.what, "did") for mark in chapter.marks]
    items = [
        tag("li", tag("span", f"{at - chapter.began:.1f} s", class_="number"), tag("span", text, class_=kind))
        for at, text, kind in sorted(told + marks)
    ]
    return tag("ol", *items, class_="steps") if items else Html("")


def _records(records: Iterator[tuple[str, str]]) -> Html:
    shown = [tag("div", tag("div", place, class_="place"), tag("code", value)) for place, value in records]
    return tag("div", *shown, class_="records") if shown else Html("")


def _row(row: Mapping[str, Any]) -> tuple[str, str]:
    place = f"partition {row['_partition']}, offset {row['_offset']:,}, key {_text(row['_key'])}, {row['_timestamp']}"
    return place, _text(row["value"])


def _letter(letter: Mapping[str, Any]) -> tuple[str, str]:
    where = f"{letter['topic']}/{letter['partition']}/{letter['offset']}"
    value = letter["value"] or {}
    text = value.get("text") or (f"base64: {value['base64']}" if value.get("base64") else "(no bytes)")
    return f"{where}: {letter['reason']}, {letter['message']}", _text(text)


def _text(value: object) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= VALUE_CHARACTERS_MAX else f"{text[:VALUE_CHARACTERS_MAX]} … ({len(text):,} characters)"


def _log_part(title: str, chapter: Chapter) -> Html:
    told = "\n".join(f"{AS_TOLD.get(line.kind, 'WRONG  ')}{line.text}" for line in chapter.told)
    logs = [("What the terminal said", told), *chapter.logs.items()]
    return _part(title, joined(_log(name, text) for name, text in logs if text))


def _log(name: str, text: str) -> Html:
    lines = text.strip("\n").splitlines()
    left_out = len(lines) - LOG_LINES_MAX
    first = [f"({left_out:,} lines before these are left out)"] if left_out > 0 else []
    shown = "\n".join([*first, *lines[-LOG_LINES_MAX:]])
    return tag("details", tag("summary", f"{name}, {len(lines):,} lines"), tag("pre", shown))
