"""Draws docs/images/architecture.svg from the TOML beside it: `python tests/handbook/picture.py FILE.toml`.

A drawing by hand would be changed by hand, and a layout that a program finds is rarely the one that explains. So the
places are said in the source, and this program knows colours, letters and arrows. Light and dark are the reader's.
"""

import sys
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

LETTER_PIXELS = {"name": 8.0, "line": 6.6}
"""The mean width of a letter, as browsers draw it; a text that does not fit is refused."""

STYLE = """
  .paper { fill: #ffffff } .group { fill: #f3f5f9; stroke: #c3cad8 } .part { fill: #ffffff; stroke: #5b6b8c }
  .frame { fill: none; stroke: #5b6b8c; stroke-dasharray: 5 4 }
  .strong { fill: #e3ecff; stroke: #2f5bd0; stroke-width: 2 } .arrow { fill: none; stroke: #5b6b8c; stroke-width: 1.5 }
  .head { fill: #5b6b8c } .name { fill: #1b2333; font-weight: 600 } .line { fill: #46516a; font-size: 12px }
  text { font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; font-size: 14px; text-anchor: middle }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #14171f } .group { fill: #1c212d; stroke: #3a4356 } .part { fill: #232a39; stroke: #8f9dbb }
    .strong { fill: #22345f; stroke: #7fa2ff } .arrow, .frame { stroke: #8f9dbb } .head { fill: #8f9dbb }
    .name { fill: #eef1f7 } .line { fill: #b9c2d6 }
  }
"""


def drawn(source: str) -> str:
    """The SVG of a picture that is told in TOML. Raises ValueError where a text is wider than its box."""
    told = tomllib.loads(source)
    width, height, title = told["width"], told["height"], escape(told["title"])
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">',
        '<path class="head" d="M0 0 8 4 0 8z"/></marker></defs>',
        f'<rect class="paper" width="{width}" height="{height}" rx="10"/>',
    ]
    for kind in ("group", "frame"):
        for around in told[kind]:
            lines += _box(around, kind, top=True)
    for arrow in told["arrow"]:
        path = " ".join(f"{x} {y}" for x, y in arrow["points"])
        lines.append(f'<path class="arrow" marker-end="url(#head)" d="M{path}"/>')
    for part in told["part"]:
        lines += _box(part, "strong" if part.get("strong") else "part", top=False)
    return "\n".join([*lines, "</svg>", ""])


def _box(part: dict[str, Any], kind: str, *, top: bool) -> Iterator[str]:
    """A rectangle with its name and its lines in the middle; a group and a frame have it at the top."""
    x, y, width, height = part["box"]
    texts = [(part["name"], "name"), *((line, "line") for line in part.get("lines", ()))]
    yield f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>'
    first = y + 27 if top else y + height / 2 + 5 - 8.5 * (len(texts) - 1)
    for number, (text, style) in enumerate(texts):
        if len(text) * LETTER_PIXELS[style] > width - 6:
            raise ValueError(f"{text!r} is wider than its box of {width} pixels: shorten it, or widen the box")
        yield f'<text class="{style}" x="{x + width / 2:g}" y="{first + 17 * number:g}">{escape(text)}</text>'


if __name__ == "__main__":
    told_in = Path(sys.argv[1])
    told_in.with_suffix(".svg").write_text(drawn(told_in.read_text()))
