"""The site of the documents is built without a warning, shows every page, and asks no other host for anything."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from handbook.build import SETTINGS, build
from handbook.picture import drawn
from support.source import ROOT

PICTURE = ROOT / "docs/images/architecture.toml"
REQUESTS = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*?\bsrc(?:set)?=["'](?:https?:)?//[^"']+|"""
    r"""<link\b[^>]*?\bhref=["'](?:https?:)?//[^"']+|url\(["']?(?:https?:)?//[^)]+|@import ["'](?:https?:)?//[^"']+"""
)
"""What a browser fetches by itself; a link that a reader may follow is none."""

BY_ANOTHER = ("docs/decisions/", "docs/examples/", "tests/", "benchmarks/")
"""Pages that a page of the navigation leads to."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, built from this repository."""
    folder = tmp_path_factory.mktemp("handbook")
    assert build(ROOT, folder) == ""
    return folder / "build" / "site"


def test_the_site_has_every_page(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    missing = [page for page in pages if not (site / "docs" / _html(page)).exists()]
    assert missing == []
    assert (site / "engine/pipeline.py.html").exists(), "a module that a page links to is a page"
    assert (site / "docs/measured/peers-dark.svg").exists()


def test_what_the_repositorys_dialect_says_the_site_says_too(site: Path) -> None:
    assert '<span class="filename">walk.yaml</span>' in (site / "docs/one-record.html").read_text()
    commands = (site / "docs/commands.html").read_text()
    assert "[auto|json|text]" in commands
    assert "&lt;=x&lt;=" in commands
    assert "\\|" not in re.sub(r"<pre.*?</pre>", "", commands, flags=re.DOTALL)


def test_each_picture_of_a_page_is_there(site: Path) -> None:
    shown = re.compile(r"""<(?:img|source)\b[^>]*?\bsrc(?:set)?="([^"#:]+)\"""")
    pages = [(path, target) for path in site.rglob("*.html") for target in shown.findall(path.read_text())]
    assert len(pages) > 5
    assert [(path.name, target) for path, target in pages if not (path.parent / target).exists()] == []


def test_no_page_asks_another_host_for_anything(site: Path) -> None:
    found = [hit for path in site.rglob("*") if path.suffix in {".html", ".css"} for hit in requests(path.read_text())]
    assert found == []


def requests(text: str) -> Iterator[str]:
    """What a browser would fetch from another host for this page or style."""
    yield from (found.group() for found in REQUESTS.finditer(text))


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://example.org/a.js"></script>',
        '<link rel="stylesheet" href="//fonts.example.org/css">',
        "a { background: url(https://example.org/a.png) }",
        '<img alt="a" src="http://example.org/a.svg">',
        '<source media="x" srcset="https://example.org/b.svg">',
    ],
)
def test_a_request_to_another_host_is_seen(text: str) -> None:
    assert list(requests(text))
    assert not list(requests('<a href="https://example.org">there</a> <img src="images/a.svg">'))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[no page](docs/nowhere.md)", "does not exist"),
        ("[no anchor](LICENSE.md#nowhere)", "anchor does not exist"),
        ("[no heading](#nowhere)", "anchor does not exist"),
    ],
)
def test_a_link_that_leads_nowhere_fails_the_site(text: str, says: str, tmp_path: Path) -> None:
    settings = (ROOT / SETTINGS).read_text()
    (tmp_path / SETTINGS).write_text(re.sub(r"^nav = .*?^\]\n", "", settings, flags=re.MULTILINE | re.DOTALL))
    (tmp_path / ".gitignore").write_text("build/\n")
    (tmp_path / "LICENSE.md").write_text("# Licence\n")
    (tmp_path / "README.md").write_text("# Here\n\n[there](LICENSE.md#licence)\n")
    assert build(tmp_path, tmp_path) == ""
    (tmp_path / "README.md").write_text(f"# Here\n\n{text}\n")
    assert says in build(tmp_path, tmp_path)


def test_each_page_of_the_documents_is_in_the_navigation() -> None:
    named = set(_pages(tomllib.loads((ROOT / SETTINGS).read_text())["project"]["nav"]))
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")}
    assert {page for page in pages - named if not page.startswith(BY_ANOTHER)} == set(), f"add them to {SETTINGS}"


def test_the_committed_picture_is_up_to_date() -> None:
    assert PICTURE.with_suffix(".svg").read_text() == drawn(PICTURE.read_text()), "run: make docs"


def test_a_text_that_does_not_fit_into_its_box_is_refused() -> None:
    with pytest.raises(ValueError, match="'Readers of everything there is' is wider than its box of 190 pixels"):
        drawn(PICTURE.read_text().replace('"Readers"', '"Readers of everything there is"'))


def test_the_arrows_of_the_picture_end_within_it() -> None:
    told = tomllib.loads(PICTURE.read_text())
    points = [point for arrow in told["arrow"] for point in arrow["points"]]
    assert all(0 <= x <= told["width"] and 0 <= y <= told["height"] for x, y in points)


def _html(page: Path) -> Path:
    return page.with_name("index.html") if page.name == "README.md" else page.with_suffix(".html")


def _pages(entries: list[Any]) -> Iterator[str]:
    """The paths in a navigation, however deep."""
    for entry in entries:
        for below in entry.values():
            yield from [below.replace("index.md", "README.md")] if isinstance(below, str) else _pages(below)
