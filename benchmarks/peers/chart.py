"""Draws horizontal bars as SVG, once for light pages and once for dark ones."""

from collections.abc import Sequence
from html import escape

WIDTH, LEFT, RIGHT, ROW, TOP = 860, 250, 150, 30, 56
STYLE = 'font-family="system-ui, sans-serif" font-size="13" role="img"'
UNIT = "as a multiple of what librdkafka needs to read and drop them (less is better)"
COLOURS = {
    "light": {"page": "#ffffff", "text": "#1f2328", "faint": "#59636e", "ours": "#0969da", "others": "#afb8c1"},
    "dark": {"page": "#0d1117", "text": "#f0f6fc", "faint": "#9198a1", "ours": "#4493f8", "others": "#656c76"},
}

Bar = tuple[str, float, str, bool]
"""What it is, how long it is (times librdkafka's drain), what is said beside it, and whether it stands out."""


def bars(some: Sequence[Bar], title: str, *, unit: str = UNIT, most_first: bool = False) -> dict[str, str]:
    """The picture by name of its colours; the shortest bar first, or the longest. `unit` says what lengths mean."""
    ordered = sorted(some, key=lambda bar: bar[1], reverse=most_first)
    return {name: _picture(ordered, title, unit, colours) for name, colours in COLOURS.items()}


def _picture(ordered: Sequence[Bar], title: str, unit: str, colours: dict[str, str]) -> str:
    height = TOP + ROW * len(ordered) + 16
    longest = max(length for _, length, _, _ in ordered)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {STYLE} aria-label="{escape(title)}">',
        f'<rect width="100%" height="100%" fill="{colours["page"]}"/>',
        f'<text x="16" y="26" font-size="15" font-weight="600" fill="{colours["text"]}">{escape(title)}</text>',
        f'<text x="16" y="44" fill="{colours["faint"]}">{escape(unit)}</text>',
    ]
    for number, (name, length, said, ours) in enumerate(ordered):
        y = TOP + ROW * number
        width = max(2.0, (WIDTH - LEFT - RIGHT) * length / longest)
        fill, faint = colours["ours" if ours else "others"], colours["faint"]
        words = f'{_number(length)} <tspan fill="{faint}">{escape(said)}</tspan>'
        lines += [
            f'<text x="{LEFT - 10}" y="{y + 18}" text-anchor="end" fill="{colours["text"]}">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{y + 4}" width="{width:.1f}" height="{ROW - 10}" rx="3" fill="{fill}"/>',
            f'<text x="{LEFT + width + 8:.1f}" y="{y + 18}" fill="{colours["text"]}">{words}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _number(length: float) -> str:
    return f"{length:,.0f}" if length >= 1000 else f"{length:.1f}"
