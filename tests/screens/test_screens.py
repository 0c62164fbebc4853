"""The pictures in docs are drawn by the commands: the same words are on them as on the screen."""

import re
from html import unescape
from pathlib import Path

import pytest
from screens.run import PICTURES, draw
from support.source import ROOT

IMAGES = ROOT / "docs" / "images"
SAYS = {
    "top.svg": ("orders/3", "parked:", "sort: worst", "▁"),
    "top-64-partitions.svg": ("orders/3", "52 more:", "sort: worst"),
    "live-table.svg": ("orders/3", "committed", "1 waiting for storage", "▁"),
}


def words_of(picture: Path) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", picture.read_text())))


def test_the_command_draws_them(tmp_path: Path) -> None:
    draw(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(PICTURES)
    for name, said in SAYS.items():
        words = words_of(tmp_path / name)
        assert [word for word in said if word not in words] == [], words


@pytest.mark.parametrize("name", PICTURES)
def test_they_are_in_the_docs_and_ask_nobody_for_anything(name: str) -> None:
    picture = IMAGES / name
    assert all(word in words_of(picture) for word in SAYS[name])
    assert "url(http" not in picture.read_text()
    assert f"images/{name}" in (ROOT / "docs" / "operations" / "status.md").read_text()
