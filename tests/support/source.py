"""The files of this repository as a clean checkout has them, found without git: all but what .gitignore names."""

import os
import re
import shutil
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

TEXT_SUFFIXES = frozenset({"", ".cfg", ".json", ".md", ".properties", ".py", ".toml", ".txt", ".xml", ".yaml", ".yml"})


def source_files(root: Path = ROOT) -> Iterator[Path]:
    """Every file and link below `root`, relative to it, ascending; new files count before git knows them."""
    ignored = [".git", *_ignored_names(root)]

    def kept(name: str) -> bool:
        return not any(fnmatch(name, pattern) for pattern in ignored)

    for folder, folders, files in os.walk(root):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        folders[:] = sorted(name for name in folders if kept(name) and name not in links)
        for name in sorted([*files, *links]):
            if kept(name):
                yield (Path(folder) / name).relative_to(root)


def export(to: Path, root: Path = ROOT) -> None:
    """Copy what a clean checkout holds to the new folder `to`; links stay links."""
    for path in source_files(root):
        target = to / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, target, follow_symlinks=False)


def text_files(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """The files that people read and write, with their text; each once, so without links."""
    for path in source_files(root):
        if path.suffix in TEXT_SUFFIXES and not (root / path).is_symlink():
            yield path, (root / path).read_text(encoding="utf-8")


def _ignored_names(root: Path) -> Iterator[str]:
    """The patterns of .gitignore, which are names (of files, or of folders with a slash behind them) and no paths."""
    for line in (root / ".gitignore").read_text().splitlines():
        pattern = line.partition("#")[0].strip().removesuffix("/")
        assert not re.search(r"/|^!", pattern), f".gitignore: {line!r} is more than a name"
        if pattern:
            yield pattern
