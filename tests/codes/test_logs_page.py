"""docs/logs.md names every field of every log line and every exit code of a command, and no others."""

import ast
import re
from pathlib import Path

from support.log_calls import modules

from streamlake.engine.errors import Exit

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/logs.md").read_text()
EVERYWHERE = {"timestamp", "level", "event", "logger", "pipeline"}
BUGS_ONLY = {"exc_info"}
IN_DICTIONARIES = {"exit", "run", "files", "example", "facility", "text"}
"""Given by `**`, so not seen as a keyword of a call."""


def _section(name: str) -> str:
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def _logged() -> set[str]:
    found = set[str]()
    for _, text in modules(ROOT):
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("debug", "info", "warning", "error", "exception")
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "log"
            ):
                found |= {keyword.arg for keyword in node.keywords if keyword.arg is not None}
    return found


def test_the_page_names_the_fields_that_there_are() -> None:
    rows = re.findall(r"^\| (`.*?) \|", _section("Log lines"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == (_logged() | EVERYWHERE | IN_DICTIONARIES) - BUGS_ONLY


def test_the_page_names_the_exit_codes_of_commands() -> None:
    named = {int(code) for code in re.findall(r"^\| (\d+) \|", _section("Exit codes"), re.MULTILINE)}
    assert named == {code for code in Exit if code.of_command is code}
