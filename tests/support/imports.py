"""Who imports whom: the modules of a source tree and their imports, read from the text and never executed."""

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("engine", "plugins", "config", "http_edge")
PREFIX = "streamlake."


@dataclass(frozen=True)
class Import:
    """One import: `target` is a module of the tree (`engine.errors`) or a foreign name (`pyarrow.compute`).

    `lazy`: it happens when a function runs, or by a string that names a module, and not when the importer is loaded.
    """

    target: str
    line: int
    lazy: bool

    @property
    def library(self) -> str:
        """The first part of the name: what is installed."""
        return self.target.partition(".")[0]


Tree = Mapping[str, tuple[Import, ...]]
"""Modules without the prefix (`engine.kafka.source`; a package by its folder) and their imports in file order."""


def read_tree(root: Path, folders: Sequence[str] = FOLDERS) -> Tree:
    """The modules below the code folders of `root`."""
    paths = [path for folder in folders for path in sorted((root / folder).rglob("*.py"))]
    found = {_module_name(path.relative_to(root)): path for path in paths}
    names = frozenset(found)
    return {name: tuple(_imports(path, names)) for name, path in found.items()}


def is_foreign(target: Import, tree: Tree) -> bool:
    """Neither of the tree nor of the standard library."""
    return target.target not in tree and target.library not in sys.stdlib_module_names


def loaded_with(module: str, tree: Tree) -> Iterator[tuple[str, Import]]:
    """All that loading `module` imports, directly or through others of the tree: (importer, import)."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in tree:
            continue
        seen.add(name)
        eager = [found for found in tree[name] if not found.lazy]
        yield from ((name, found) for found in eager)
        waiting += [found.target for found in eager]
        waiting += [name.rpartition(".")[0]]


def cycle_through(module: str, tree: Tree) -> list[str]:
    """The modules of a cycle of eager imports that begins and ends with `module`; empty when there is none."""
    came_from: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop(0)
        for target in (found.target for found in tree[name] if not found.lazy and found.target in tree):
            if target == module:
                path = [module, name]
                while path[-1] != module:
                    path.append(came_from[path[-1]])
                return path[::-1]
            if target not in came_from:
                came_from[target] = name
                waiting.append(target)
    return []


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path, names: frozenset[str]) -> Iterator[Import]:
    """The imports of one file; where `from package import name` names a module of the tree, it is that module."""
    for node, lazy in _with_laziness(ast.parse(path.read_text(encoding="utf-8"), str(path)), lazy=False):
        match node:
            case ast.Import():
                targets = [alias.name for alias in node.names]
            case ast.ImportFrom():
                assert node.level == 0, f"{path}:{node.lineno}: imports are absolute (STYLE)"
                targets = [_of_from(node.module or "", alias.name, names) for alias in node.names]
            case ast.Constant(value=str() as text) if _names_a_module(text, names):
                yield Import(text.partition(":")[0].removeprefix(PREFIX), node.lineno, lazy=True)
                continue
            case _:
                continue
        for target in dict.fromkeys(targets):
            yield Import(target.removeprefix(PREFIX), node.lineno, lazy)


def _of_from(package: str, name: str, names: frozenset[str]) -> str:
    module = f"{package}.{name}"
    return module if module.removeprefix(PREFIX) in names else package


def _names_a_module(text: str, names: frozenset[str]) -> bool:
    """Whether a string is `streamlake.a.b` or `streamlake.a.b:attribute`: what importlib and the forkserver take.

    A name above other modules is a logger's (`streamlake.engine`): a package holds nothing worth such an import.
    """
    name = text.partition(":")[0].removeprefix(PREFIX)
    return text.startswith(PREFIX) and name in names and not any(other.startswith(f"{name}.") for other in names)


def _with_laziness(node: ast.AST, *, lazy: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        yield child, lazy
        inside = lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _with_laziness(child, lazy=inside)
