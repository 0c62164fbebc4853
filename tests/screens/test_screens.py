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
    "top-64-partitions.svg": ("orders/3", " more:", "sort: worst"),
    "live-table.svg": ("orders/3", "committed", "1 waiting for storage", "▁"),
}


def words_of(picture: Path) -> str:
    """What is to be read on it, whatever the port."""
    shown = unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", picture.read_text(), flags=re.DOTALL)))
    return re.sub(r"\s+", " ", re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", shown))


def test_the_commands_say_today_what_the_pictures_in_docs_show(tmp_path: Path) -> None:
    draw(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(PICTURES)
    for name in PICTURES:
        assert words_of(tmp_path / name) == words_of(IMAGES / name), f"{name} is stale: make screenshots draws it"


@pytest.mark.parametrize("name", PICTURES)
def test_they_are_in_the_docs_say_what_they_are_to_and_ask_nobody_for_anything(name: str) -> None:
    picture = IMAGES / name
    assert all(word in words_of(picture) for word in SAYS[name])
    assert "url(http" not in picture.read_text()
    assert f"images/{name}" in (ROOT / "docs" / "operations" / "status.md").read_text()
