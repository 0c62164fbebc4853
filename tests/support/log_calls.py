"""The calls in StreamLake's own modules that log a warning or worse, and the codes that its modules name."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LEVELS = ("warning", "error", "exception", "critical")
LOGGERS = ("log", "logger")
CODES = "streamlake.engine.codes."


@dataclass(frozen=True)
class LogCall:
    """One call: `event` is None where the first argument is not a fixed text alone."""

    place: str
    event: str | None
    with_code: bool


def log_calls(code: str, name: str) -> Iterator[LogCall]:
    """Each call of a logger at warning or above."""
    for node in ast.walk(ast.parse(code)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id in LOGGERS:
            with_code = any(keyword.arg == "code" for keyword in node.keywords)
            yield LogCall(f"{name}:{node.lineno}", _fixed(node.args), with_code)


def _fixed(arguments: Sequence[ast.expr]) -> str | None:
    if len(arguments) == 1 and isinstance(arguments[0], ast.Constant) and isinstance(arguments[0].value, str):
        return arguments[0].value
    return None


def named_codes(code: str) -> set[tuple[str, str]]:
    """The codes that a module imports and uses, as their module's name and their own."""
    tree = ast.parse(code)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return {
        (node.module.removeprefix(CODES), name.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(CODES) and node.module
        for name in node.names
        if (name.asname or name.name) in used
    }


def modules(root: Path) -> Iterator[tuple[str, str]]:
    """The name and text of each module that may log or raise; the catalogue itself is none of them."""
    for folder in ("engine", "http_edge", "plugins", "config"):
        for path in sorted((root / folder).rglob("*.py")):
            name = str(path.relative_to(root))
            if not name.startswith("engine/codes/"):
                yield name, path.read_text()
