"""Lays out the pages of the site: every page of the repository at its own path, and what they link to as pages, too.

The pages are written for whoever reads them in the repository, where a link may lead to a module or a folder. On the
site a module is a page with its text, and a folder one with its files, so that all is read without a network.
"""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

FENCE = re.compile(r"^(?P<indent> *)```.*?^(?P=indent)```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)(?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))")
NAMED = re.compile(r"^<!-- file: (?P<name>[^\n]+) -->\n(?P<fence>```\w+)$", re.MULTILINE)
ROW = re.compile(r"^\|.*\|$", re.MULTILINE)
CODE = re.compile(r"`[^`]*`")
PICTURES = frozenset({".svg", ".png", ".html", ".css"})
LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml", ".sh": "bash"}
TEXT_BYTES_MAX = 200_000


def stage(root: Path, files: Iterable[Path], to: Path) -> None:
    """Write the pages of `root` below the new folder `to`; `files` are those of the repository, relative to `root`."""
    there = set(files)
    pages = {path for path in there if path.suffix == ".md"}
    wanted: set[Path] = set()
    for path in sorted(pages):
        _write(to / _place(path), _page((root / path).read_text(), path, root, wanted))
    while rest := sorted(wanted - pages):
        for path in rest:
            pages.add(path)
            if (root / path).is_dir():
                _write(to / path / "index.md", _folder(path, there, root, wanted))
            elif path.suffix in PICTURES:
                _copy(root / path, to / path)
            else:
                _write(to / _place(path), _source(path, (root / path).read_text()))
    for path in there:
        if path.parts[0] == "docs" and path.suffix in PICTURES:
            _copy(root / path, to / path)


def _page(text: str, path: Path, root: Path, wanted: set[Path]) -> str:
    """The page with its links as the site has them; what stands in a fence is shown and leads nowhere.

    Where the two dialects of Markdown differ, it is rewritten: a file to write has its name as a title, and a bar in
    the code of a table's cell needs no backslash.
    """
    text = NAMED.sub(r'\g<fence> title="\g<name>"', text)
    text = ROW.sub(lambda row: CODE.sub(lambda code: code.group().replace(r"\|", "|"), row.group()), text)
    written, last = [], 0
    for fence in [*FENCE.finditer(text), None]:
        prose = text[last : fence.start()] if fence else text[last:]
        written.append(LINK.sub(lambda found: _target(found, path, root, wanted), prose))
        if fence:
            written.append(fence.group())
            last = fence.end()
    return "".join(written)


def _target(found: "re.Match[str]", path: Path, root: Path, wanted: set[Path]) -> str:
    target = (root / path.parent / found["target"]).resolve()
    if not target.exists():
        return found.group()  # the site's builder says that it leads nowhere
    target = target.relative_to(root)
    wanted.add(target)
    up = "../" * len(_place(path).parts[:-1])
    place = _place(target) if (root / target).is_file() else target / "index.md"
    return f"{up}{PurePosixPath(place)}{found['anchor'] or ''}"


def _place(path: Path) -> Path:
    """Where the site has a file of the repository; a hidden one would be no page, so it loses its dot."""
    path = Path(*(part.lstrip(".") for part in path.parts))
    if path.name == "README.md":
        return path.with_name("index.md")
    if path.suffix == ".md" or path.suffix in PICTURES:
        return path
    return path.with_name(f"{path.name}.md")


def _source(path: Path, text: str) -> str:
    fence = "`" * max(4, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"# {path}\n\n{fence}{LANGUAGES.get(path.suffix, 'text')}\n{text}{fence}\n"


def _folder(path: Path, there: set[Path], root: Path, wanted: set[Path]) -> str:
    inside = sorted(file for file in there if path in file.parents and (root / file).stat().st_size < TEXT_BYTES_MAX)
    wanted.update(inside)
    lines = [f"- [{file.relative_to(path)}]({_place(file).relative_to(path)})" for file in inside]
    return "\n".join([f"# {path}", "", *lines, ""])


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, to)
