"""A line over time as inline SVG, its text beside it in HTML, so that it has one size on every screen."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from streamlake.engine.local.demo.html import Html, joined, tag
from streamlake.engine.local.demo.recording import Chapter, Sample

RATE_SECONDS = 0.5
"""Over so much time the throughput of a moment is measured."""
STEPS = (1, 2, 5)
TICKS_MAX = 6
HEIGHT = 100
WIDTH = 1000  # of the drawing; it is stretched to the page
APART_PERCENT = 5.0
"""Marks that are closer together have one name."""

Point = tuple[float, float]
Line = Sequence[Point]


@dataclass(frozen=True, slots=True)
class Span:
    """The seconds from the chapter's beginning that a plot shows."""

    first: float
    last: float

    def percent(self, seconds: float) -> float:
        """Where a moment is, 0 left and 100 right."""
        return 100 * (seconds - self.first) / max(self.last - self.first, 0.001)


def plots(chapter: Chapter) -> Html:
    """Lag and throughput of a chapter, and what the marks in them are; nothing where nothing was sampled."""
    known = [sample for sample in chapter.samples if sample.done is not None]
    if not known:
        return Html("")
    moments = [*(sample.seconds for sample in known), *(mark.seconds for mark in chapter.marks)]
    times = [moment - chapter.began for moment in moments]
    span = Span(max(0.0, min(times) - 0.5), max(times) + 0.5)
    marks = [
        tag("li", tag("b", f"{number}"), f" {mark.what}, at {mark.seconds - chapter.began:.1f} s")
        for number, mark in enumerate(chapter.marks, 1)
    ]
    lags = lag_lines(chapter.samples, chapter.began)
    rates = rate_lines(chapter.samples, chapter.began)
    return joined(
        (
            _plot("lag", "Lag: records in Kafka that have not landed", "records", lags, span, chapter),
            _plot("rate", "Throughput: records a second into the ledger", "records/s", rates, span, chapter),
            tag("ol", *marks, class_="marks") if marks else Html(""),
        )
    )


def lag_lines(samples: Iterable[Sample], began: float) -> list[Line]:
    """Lag by seconds since `began`; a new line after each time in which nobody could say it."""
    return list(_unbroken((one.seconds - began, one.lag) for one in samples))


def rate_lines(samples: Iterable[Sample], began: float) -> list[Line]:
    """Throughput in records a second, over the last RATE_SECONDS; lines as `lag_lines` has them."""
    lines: list[Line] = []
    for line in _unbroken((one.seconds - began, one.done) for one in samples):
        rates: list[Point] = []
        start = 0
        for at, (seconds, done) in enumerate(line):
            while line[start + 1 : at] and line[start + 1][0] <= seconds - RATE_SECONDS:
                start += 1
            before, then = line[start]
            rates.append((seconds, max(0.0, (done - then) / (seconds - before)) if seconds > before else 0.0))
        lines.append(rates)
    return lines


def nice_steps(highest: float, ticks_max: int = 4) -> Sequence[float]:
    """From 0 to `highest` or a little above, in steps that people count in."""
    step = next(
        factor * 10**power
        for power in range(-1, 12)
        for factor in STEPS
        if factor * 10**power * ticks_max >= max(highest, 1)
    )
    count = max(1, -(-int(max(highest, 1) * 1000) // int(step * 1000)))
    return [step * number for number in range(count + 1)]


def named_marks(marks: Sequence[tuple[int, float]]) -> Sequence[tuple[str, float]]:
    """What stands above each mark, and where: `2, 3` in the middle of two that would lie on each other else."""
    groups: list[list[tuple[int, float]]] = []
    for number, at in marks:
        if groups and at < groups[-1][-1][1] + APART_PERCENT:
            groups[-1].append((number, at))
        else:
            groups.append([(number, at)])
    return [(", ".join(str(number) for number, _ in group), (group[0][1] + group[-1][1]) / 2) for group in groups]


def _unbroken(points: Iterable[tuple[float, int | None]]) -> Iterator[Line]:
    line: list[Point] = []
    for seconds, value in points:
        if value is not None:
            line.append((seconds, value))
        elif line:
            yield line
            line = []
    if line:
        yield line


def _plot(kind: str, title: str, unit: str, lines: Sequence[Line], span: Span, chapter: Chapter) -> Html:
    highest = max((value for line in lines for _, value in line), default=0)
    ticks = nice_steps(highest)
    top = ticks[-1]
    marks = [(number, span.percent(mark.seconds - chapter.began)) for number, mark in enumerate(chapter.marks, 1)]
    drawing = [
        *(_line(0, _y(tick, top), WIDTH, _y(tick, top), "grid") for tick in ticks),
        *(_line(WIDTH * at / 100, 0, WIDTH * at / 100, HEIGHT, "mark") for _, at in marks),
        *(_polyline(line, span, top, kind) for line in lines),
    ]
    svg = tag(
        "svg",
        tag("title", title),
        *drawing,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{title}; at most {highest:,.0f} {unit}",
    )
    return tag(
        "figure",
        tag("figcaption", title, tag("span", f"at most {highest:,.0f} {unit}", class_="most")),
        tag(
            "div",
            tag("div", *(_at("bottom", 100 * tick / top, _short(tick)) for tick in ticks), class_="y"),
            tag("div", svg, *(_at("left", at, numbers) for numbers, at in named_marks(marks)), class_="area"),
            tag("div", *(_at("left", span.percent(tick), f"{tick:g}") for tick in _times(span)), class_="x"),
            class_="plot",
        ),
        tag("div", f"{unit}, over seconds since the story began", class_="unit"),
        class_=kind,
    )


def _times(span: Span) -> Iterable[float]:
    step = nice_steps(span.last - span.first, TICKS_MAX)[1]
    first = int(-(-span.first // step))
    return (step * number for number in range(first, int(span.last // step) + 1))


def _y(value: float, top: float) -> float:
    return HEIGHT * (1 - value / top)


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Html:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=class_)


def _polyline(line: Line, span: Span, top: float, kind: str) -> Html:
    if len(line) == 1:  # a moment has no length: it is drawn as a short one
        line = [*line, (line[0][0] + 0.1, line[0][1])]
    points = " ".join(f"{WIDTH * span.percent(at) / 100:.1f},{_y(value, top):.1f}" for at, value in line)
    return tag("polyline", points=points, class_=kind)


def _at(side: str, percent: float, label: str) -> Html:
    return tag("span", label, style=f"{side}:{percent:.2f}%")


def _short(number: float) -> str:
    """`150k` for 150,000."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if number >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"
