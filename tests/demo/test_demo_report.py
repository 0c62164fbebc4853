"""The demo's report: what it shows, that it asks nobody for anything, and how it comes out in a browser."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.chromium import measured
from support.report import loads_nothing, sections

from streamlake.engine.local.demo.plot import lag_lines, named_marks, nice_steps, rate_lines
from streamlake.engine.local.demo.recording import Hop, Mark, Recording, Sample, Told
from streamlake.engine.local.demo.report import LOG_LINES_MAX, page
from streamlake.engine.local.demo.settings import Settings

PHONE, DESKTOP = 390, 1200
HOSTILE = "</code></pre><script>alert(1)</script>&amp;"
LONG = "streamlake.order.raw." + 40 * "neverends"


def recorded(*, wrong: bool = False) -> Recording:
    """Two stories with all that a report shows, some of it long and some of it hostile."""
    recording = Recording()
    for name, began in (("landing", 1.0), ("failures", 20.0)):
        chapter = recording.begin(name, f"The story of {name}")
        chapter.began, chapter.ended = began, began + 15
        chapter.told += [Told(began + 0.1, "step", "A step"), Told(began + 0.2, "command", f"streamlake {LONG}")]
        chapter.told += [Told(began + 9, "output", HOSTILE), Told(began + 14, "ok", "1 = 1")]
        chapter.told += [Told(began + 14, "wrong", "1 = 2")] if wrong else []
        chapter.hops = [Hop("sent", 150_000, "its acknowledgements"), Hop("  refused", 600, LONG)]
        at_work = [Sample(began + second / 4, 9_000 * second, 150_000 - 9_000 * second) for second in range(9)]
        chapter.samples = [*at_work, Sample(began + 2.5, None, None), Sample(began + 3, 90_000, 0)]
        chapter.marks = [Mark(began + 1, "kill -9: workers 0 and 1"), Mark(began + 1.01, "started again")]
        row = {"_partition": 0, "_offset": 7, "_timestamp": "2026-01-31", "_key": b"1", "value": HOSTILE}
        letter = {"topic": LONG, "partition": 0, "offset": 8, "reason": "invalid", "message": HOSTILE, "value": None}
        chapter.rows, chapter.letters = [row, {**row, "value": 50 * LONG}], [letter]
        chapter.logs = {"1-run.log": "\n".join(f"line {number} {LONG}" for number in range(LOG_LINES_MAX + 5))}
    return recording


def report_of(recording: Recording) -> str:
    return page(recording, Settings.read({}))


def test_it_asks_nobody_for_anything_and_what_was_read_stays_text() -> None:
    text = report_of(recorded())
    assert loads_nothing(text) == []
    assert "&lt;script&gt;alert(1)" in text
    assert "default-src 'none'" in text, "a browser would not load anything if it were there"


@pytest.mark.parametrize("added", ['<img src="https://x/y.png">', "<script>1</script>", '<a href="http://x">x</a>'])
def test_a_page_that_asks_for_something_is_seen(added: str) -> None:
    assert loads_nothing(report_of(recorded()).replace("<h1>", f"{added}<h1>")) != []


def test_each_story_has_its_counts_plots_timeline_samples_and_logs() -> None:
    found = sections(report_of(recorded()))
    assert list(found) == ["landing", "failures"]
    for parts in found.values():
        assert parts["The account"] == "1 = 1"
        assert "sent150,000its acknowledgements" in parts["Counted at each hop"]
        plots = parts["Lag and throughput, as the engine's /status said them"]
        assert plots.count("(svg)") == 2
        assert "at most 150,000 records" in plots
        assert "1 kill -9: workers 0 and 1, at 1.0 s" in plots.replace("1kill", "1 kill")
        assert "kill -9: workers 0 and 1" in parts["Timeline"]
        assert HOSTILE in parts["Some of what landed"]
        assert "characters)" in parts["Some of what landed"], "a long value is cut"
        assert "invalid" in parts["Some of what was refused"]
        assert "5 lines before these are left out" in parts["In full"]


def test_the_verdict_is_that_of_the_counts() -> None:
    assert "All 2 counts agree" in report_of(recorded())
    assert "2 of 4 counts are off" in report_of(recorded(wrong=True))
    broken_off = recorded()
    broken_off.failure = "Kafka's node 1 ended"
    text = report_of(broken_off)
    assert "It broke off before its end" in text
    assert "Kafka&#x27;s node 1 ended" in text or "Kafka's node 1 ended" in text
    assert not broken_off.agrees


def test_a_story_without_samples_has_no_plot_and_no_heading_of_one() -> None:
    recording = recorded()
    recording.chapter.samples = [Sample(1.0, None, None)]
    assert not [part for part in sections(report_of(recording))["failures"] if part.startswith("Lag")]


def test_a_line_breaks_where_nobody_could_say_how_far_it_is() -> None:
    samples = [Sample(1.0, 0, 9), Sample(2.0, 5, None), Sample(3.0, None, None), Sample(4.0, 9, 0)]
    assert lag_lines(samples, 1.0) == [[(0.0, 9)], [(3.0, 0)]]
    assert [len(line) for line in rate_lines(samples, 1.0)] == [2, 1]


def test_throughput_is_of_the_last_half_second() -> None:
    samples = [Sample(number / 10, 100 * number, 0) for number in range(11)]
    (line,) = rate_lines([*samples, *(Sample(1 + number / 10, 1000, 0) for number in range(1, 11))], 0.0)
    rates = {round(seconds, 1): round(rate) for seconds, rate in line}
    assert (rates[0.0], rates[0.5], rates[1.0], rates[1.3], rates[2.0]) == (0, 1000, 1000, 400, 0)


def test_marks_that_stand_close_together_have_one_name_above_their_lines() -> None:
    marks = [(1, 10.0), (2, 40.0), (3, 42.0), (4, 99.0), (5, 100.0)]
    assert named_marks(marks) == [("1", 10.0), ("2, 3", 41.0), ("4, 5", 99.5)]
    assert named_marks([]) == []


@pytest.mark.parametrize(
    ("highest", "steps"),
    [(0, [0, 0.5, 1]), (1, [0, 0.5, 1]), (7, [0, 2, 4, 6, 8]), (150_003, [0, 50_000, 100_000, 150_000, 200_000])],
)
def test_an_axis_counts_as_people_do(highest: float, steps: list[float]) -> None:
    assert list(nice_steps(highest)) == steps


def test_text_and_lines_stand_out_from_what_is_behind_them_by_day_and_by_night() -> None:
    light, dark = colours_of(report_of(recorded()))
    for scheme in (light, {**light, **dark}):
        for behind in ("page", "panel"):
            assert contrast(scheme["text"], scheme[behind]) >= 7
            for name in ("dim", "good", "bad"):
                assert contrast(scheme[name], scheme[behind]) >= 4.5, f"WCAG 1.4.3: {name} on {behind}"
            for name in ("lag", "rate", "mark"):
                assert contrast(scheme[name], scheme[behind]) >= 3, f"WCAG 1.4.11: {name} on {behind}"


@pytest.mark.usefixtures("chromium")
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_it_fits_a_phone_and_a_desk(width: int) -> None:
    looked = measured(report_of(recorded()), width)
    assert looked == replace(looked, scrolls=0, outside=[], clipped=[], lines=8, asked=[])


@pytest.mark.usefixtures("chromium")
def test_it_is_dark_where_its_reader_wants_that() -> None:
    text = report_of(recorded())
    light, dark = (measured(text, DESKTOP, dark=dark).background for dark in (False, True))
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(18, 21, 26)")


@pytest.mark.usefixtures("chromium")
def test_a_page_that_does_not_fit_is_seen() -> None:
    text = report_of(recorded())
    wide = text.replace("<h1>", '<h1 style="width:2000px">')
    assert measured(wide, PHONE).scrolls > 0
    assert measured(text.replace("<h1>", '<h1 style="overflow:hidden;white-space:nowrap;width:9rem">'), PHONE).clipped
    loading = text.replace("default-src 'none'", "default-src *").replace("img-src data:", "img-src *")
    assert measured(loading.replace("<h1>", '<img src="/asked.png"><h1>'), PHONE).asked == ["/asked.png"]


def test_the_pictures_in_the_docs_are_those_that_are_drawn() -> None:
    from screens.demo import PICTURES  # noqa: PLC0415  # a program, which is not loaded for the other tests

    docs = Path(__file__).parent.parent.parent / "docs"
    text = (docs / "demo.md").read_text()
    assert re.findall(r"\(images/(demo-\S+)\)", text) == list(PICTURES)
    for name in PICTURES:
        assert (docs / "images" / name).read_bytes().startswith(b"\x89PNG" if name.endswith(".png") else b"<svg")


def colours_of(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """The page's colours by name, light and dark."""
    light, dark = re.findall(r":root \{(.*?)\}", text, re.DOTALL)
    found = [dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", one)) for one in (light, dark)]
    return found[0], found[1]


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2, 1 to 21."""
    bright, faint = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (faint + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
