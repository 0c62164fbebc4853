"""Pages in a headless Chromium: how they come out at a width, what they ask for, and pictures of them."""

import json
import math
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
HEIGHT = 900
# It has the page in a frame, which may be as narrow as a phone and has the same origin: so it can look inside.
AROUND = """\
<!doctype html><link rel="icon" href="data:,"><body style="margin:0;overflow:hidden"><pre id="found"></pre>
<iframe id="page" src="/page" style="border:0;display:block;width:{width}px;height:{height}px"></iframe>
<script>
const frame = document.getElementById("page");
frame.onload = () => {{ document.getElementById("found").textContent = JSON.stringify(look(frame)); }};
{look}
</script>
"""
MEASURE = """
function look(frame) {
  const root = frame.contentDocument.documentElement, all = [...root.querySelectorAll("body *")];
  const name = (one) => `${one.tagName} ${one.className.baseVal ?? one.className}: ${one.textContent.slice(0, 40)}`;
  const boxes = all.map((one) => [one, one.getBoundingClientRect()]).filter(([, box]) => box.width > 0);
  return {
    scrolls: root.scrollWidth - root.clientWidth,
    outside: boxes.filter(([, box]) => box.right > root.clientWidth + 1 || box.left < -1).map(([one]) => name(one)),
    clipped: boxes.filter(([one]) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0
      && frame.contentWindow.getComputedStyle(one).overflowX !== "visible").map(([one]) => name(one)),
    lines: all.filter((one) => one.tagName === "polyline" && one.getBoundingClientRect().width > 0).length,
    background: frame.contentWindow.getComputedStyle(frame.contentDocument.body).backgroundColor,
  };
}
"""
SHOW = """
function look(frame) {{
  const place = frame.contentDocument.querySelector({at});
  frame.style.marginTop = `${{-place.getBoundingClientRect().top + {margin}}}px`;
  document.getElementById("found").remove();
}}
"""
BLOCKS = """
function look(frame) {{
  const inside = frame.contentDocument, top = inside.querySelector({at}).getBoundingClientRect().top;
  const blocks = [...inside.querySelectorAll("body > :not(section), section > *")];
  const ends = blocks.filter((one) => !/^(H[1-6]|DETAILS)$/.test(one.tagName));
  return ends.map((one) => one.getBoundingClientRect().bottom - top);
}}
"""
MARGIN = 12
"""Pixels above and below what a picture shows."""


def find_chromium() -> str | None:
    """Its path, under one of the names that it goes by."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@dataclass(frozen=True)
class Looked:
    """What a page came out as. `asked` are the paths that were asked of the server beside the page itself."""

    scrolls: int
    outside: Sequence[str]
    clipped: Sequence[str]
    lines: int
    background: str
    asked: Sequence[str] = field(default_factory=list)


def measured(page: str, width: int, *, dark: bool = False) -> Looked:
    """How the page comes out at a width in pixels."""
    values, asked = _looked(page, AROUND.format(width=width, height=HEIGHT, look=MEASURE), dark=dark)
    return Looked(**values, asked=[path for path in asked if path not in ("/", "/page")])


def picture(page: str, path: Path, size: tuple[int, int], at: str, *, dark: bool = False) -> None:
    """Write a PNG of what is below the first element that the CSS selector `at` finds, down to the end of a block.

    `size` in pixels: as many blocks of the page as that height has room for.
    """
    width, most = size
    bottoms, _ = _looked(page, AROUND.format(width=width, height=60_000, look=BLOCKS.format(at=json.dumps(at))))
    height = 2 * MARGIN + math.ceil(max(bottom for bottom in bottoms if bottom <= most - 2 * MARGIN))
    assert height > 2 * MARGIN, f"the first block below {at} is higher than {most} pixels"
    around = AROUND.format(width=width, height=60_000, look=SHOW.format(at=json.dumps(at), margin=MARGIN))
    with _served(page, around) as (url, _):
        options = (f"--window-size={width},{height}", f"--screenshot={path}", "--virtual-time-budget=5000")
        _run(url, *options, dark=dark)
    assert path.exists(), f"Chromium wrote no {path}"


def _looked(page: str, around: str, *, dark: bool = False) -> tuple[Any, Sequence[str]]:
    """What the script around the page has found, and the paths that were asked for."""
    with _served(page, around) as (url, asked):
        done = _run(url, "--dump-dom", "--virtual-time-budget=5000", dark=dark)
    found = re.search(r'<pre id="found">([\[{].*?)</pre>', done, re.DOTALL)
    assert found is not None, done[:2000]
    return json.loads(unescape(found[1])), asked


def _run(url: str, *options: str, dark: bool) -> str:
    program = find_chromium()
    assert program is not None
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
    with TemporaryDirectory(prefix="streamlake-chromium-") as profile:
        fixed = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}"]
        command = [program, *fixed, *scheme, *options, url]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@contextmanager
def _served(page: str, around: str) -> Iterator[tuple[str, list[str]]]:
    """A server that has the page and what is around it; its address, and the paths that were asked for."""
    asked: list[str] = []
    texts = {"/": around, "/page": page}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            text = texts.get(self.path)
            self.send_response(404 if text is None else 200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
