"""What a report of the demo says, as a parser of HTML has it."""

from collections.abc import Mapping, Sequence
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}
ADDRESSES = {"src", "href", "srcset", "data", "poster", "action", "xlink:href"}


class _Page(HTMLParser):
    """Collects what would be loaded, and the text below each heading of each section."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.sections: dict[str, dict[str, str]] = {}
        self._section = self._part = ""
        self._heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        addresses = (value or "" for name, value in attrs if name in ADDRESSES)
        self.loads += [value for value in addresses if not value.startswith(("#", "data:,"))]
        if tag in ("script", "iframe", "object", "embed", "base"):
            self.loads.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self._section, self._part = str(given["id"]), ""
            self.sections[self._section] = {}
        elif tag == "h3":
            self._heading, self._part = True, ""
        elif tag == "svg" and self._part:
            self.sections[self._section][self._part] += " (svg)"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing of its own"
        if tag == "h3":
            self._heading = False
            if self._section:
                self.sections[self._section][self._part] = ""
        elif tag == "section":
            self._section = self._part = ""

    def handle_data(self, data: str) -> None:
        if self._heading:
            self._part += data
        elif self._part and self._section:
            self.sections[self._section][self._part] += data.strip()


def loads_nothing(page: str) -> Sequence[str]:
    """What the page would ask somebody for; none is right. Asserts that every element is closed."""
    found = _parsed(page)
    styles = page.partition("<style>")[2].partition("</style>")[0]
    return [*found.loads, *(word for word in ("url(", "@import", "http:") if word in styles)]


def sections(page: str) -> Mapping[str, Mapping[str, str]]:
    """The stories by name: what stands below each of their headings."""
    return _parsed(page).sections


def _parsed(page: str) -> _Page:
    parser = _Page()
    parser.feed(page)
    parser.close()
    assert parser.open == [], "not closed"
    return parser
