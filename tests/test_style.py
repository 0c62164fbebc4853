"""The rules of STYLE that no linter knows, each held against every file and seen to catch a planted breach."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from support.source import ROOT, text_files

from streamlake.engine.failpoints import OPERATIONS, POINTS

REGISTRY = "gro.ipyp"[::-1]
"""Put together here, so that no file of the repository names a registry, not even this one."""

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
LONGER_FILES: Mapping[str, int] = {}
"""Each with its reason."""

SKIPPING_FILES = ("tests/conftest.py",)
"""Where a test may be skipped: by a fixture whose real part (Java, Kafka) is missing, and never where CI=true."""

SPEAKING_CODES = frozenset({"no-untyped-call", "PLC0415"})
"""Suppressions that say it all: a foreign library has no types; a heavy import is put off until it is needed."""

THIS_FILE = "tests/test_style.py"  # has to spell what the others may not
MACHINE_PATHS = re.compile(r"(?<![\w.>}])/(?:work/|root/|tmp/bash)")
REGISTRY_HOSTS = re.compile(
    r"pypi\.org|pythonhosted\.org|repo1?\.maven|npmjs\.(?:org|com)|proxy\.golang\.org|crates\.io"
)
LINKS = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")
SUPPRESSIONS = re.compile(r"(?:noqa:\s*|type:\s*ignore\[)(?P<codes>[\w\-]+(?:,\s*[\w\-]+)*)\]?(?P<rest>.*)")

Rule = Callable[[Path, str], Iterator[str]]


def files_are_short(path: Path, text: str) -> Iterator[str]:
    """A file fits into a head; a longer one stands in LONGER_FILES with its reason."""
    lines = text.count("\n")
    limit = LONGER_FILES.get(str(path), FILE_LINES_MAX)
    if path.suffix == ".py" and lines > limit:
        yield f"{path}: {lines} lines, at most {limit}: split it by meaning"


def functions_are_short(path: Path, text: str) -> Iterator[str]:
    """A function fits on a screen."""
    for node in _nodes(path, text):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{path}:{node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"


def modules_say_what_they_are(path: Path, text: str) -> Iterator[str]:
    """A module begins with one sentence; what follows is a paragraph of its own. Tests do, too."""
    if path.suffix != ".py" or not text.strip():
        return
    summary = (ast.get_docstring(_parsed(text)) or "").partition("\n\n")[0]
    if not summary.endswith(".") or re.search(r"(?<!e\.g)(?<!i\.e)[.!?]\s+[A-Z`]", summary):
        yield f"{path}: begin it with a docstring of one sentence, and leave a line free after that: {summary!r}"


def no_test_sleeps(path: Path, text: str) -> Iterator[str]:
    """No test sleeps: it waits for an event, or is handed a clock."""
    for node in _nodes(path, text) if path.parts[0] == "tests" else ():
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr="sleep")):
                yield f"{path}:{node.lineno}: sleeps; let it wait for what it waits for"
            case ast.ImportFrom(module="time", names=names) if any(name.name == "sleep" for name in names):
                yield f"{path}:{node.lineno}: sleeps; let it wait for what it waits for"


def no_test_is_skipped(path: Path, text: str) -> Iterator[str]:
    """A test that does not run shows nothing: only the fixtures of real parts may skip."""
    if path.parts[0] != "tests" or str(path) in SKIPPING_FILES:
        return
    for node in _nodes(path, text):
        if isinstance(node, ast.Attribute) and node.attr in {"skip", "skipif", "importorskip", "xfail"}:
            yield f"{path}:{node.lineno}: {node.attr}; only the fixtures of {', '.join(SKIPPING_FILES)} skip"


def paths_are_nobodys_own(path: Path, text: str) -> Iterator[str]:
    """No folder of the machine that something was written on."""
    return _found(MACHINE_PATHS, path, text)


def registries_are_the_users(path: Path, text: str) -> Iterator[str]:
    """No host of a package registry: which one is asked is for the user's pip and Maven to know."""
    return _found(REGISTRY_HOSTS, path, text)


def suppressions_have_a_reason(path: Path, text: str) -> Iterator[str]:
    """Whoever silences a checker says why, beside the first use of each code in a file.

    That there is a code is ruff's and mypy's to check; fakes in tests speak for themselves.
    """
    if path.suffix != ".py" or path.parts[0] == "tests":
        return
    explained = set(SPEAKING_CODES)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        for found in SUPPRESSIONS.finditer(token.string) if token.type == tokenize.COMMENT else ():
            codes = set(re.split(r",\s*", found["codes"]))
            if re.search(r"[A-Za-z]{2}", found["rest"]):
                explained |= codes
            elif unexplained := sorted(codes - explained):
                yield f"{path}:{token.start[0]}: say why {', '.join(unexplained)} is silenced, behind the code"


def links_lead_somewhere(path: Path, text: str) -> Iterator[str]:
    """A relative link of a page leads to a file of this repository."""
    for target in LINKS.findall(text) if path.suffix == ".md" else ():
        if not (ROOT / path.parent / target).exists():
            yield f"{path}: links to {target}, which is not there"


RULES: tuple[Rule, ...] = (
    files_are_short,
    functions_are_short,
    modules_say_what_they_are,
    no_test_sleeps,
    no_test_is_skipped,
    paths_are_nobodys_own,
    registries_are_the_users,
    suppressions_have_a_reason,
    links_lead_somewhere,
)


def _found(pattern: re.Pattern[str], path: Path, text: str) -> Iterator[str]:
    if str(path) != THIS_FILE:
        for number, line in enumerate(text.splitlines(), start=1):
            yield from (f"{path}:{number}: {found.group()}" for found in pattern.finditer(line))


def _nodes(path: Path, text: str) -> Iterator[ast.AST]:
    return ast.walk(_parsed(text)) if path.suffix == ".py" else iter(())


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


@pytest.fixture(scope="module")
def files() -> list[tuple[Path, str]]:
    """Every text of the repository."""
    return list(text_files())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rule(rule: Rule, files: list[tuple[Path, str]]) -> None:
    breaches = [breach for path, text in files for breach in rule(path, text)]
    assert not breaches, "\n".join(breaches)


def test_every_folder_is_looked_at(files: list[tuple[Path, str]]) -> None:
    paths = {str(path) for path, _ in files}
    assert {"engine/contracts.py", "plugins/sinks/file/ledger.py", "config/model.py", THIS_FILE} <= paths
    assert {"pyproject.toml", "Makefile", ".ci/run", "README.md", "engine/local/jgo.lock.toml"} <= paths
    assert not [path for path in paths if path.startswith((".git/", ".venv/", ".names/"))]


OF_A_MACHINE = [f"/{folder}/" for folder in ("root", "work")]

# Each is a violation on purpose: a rule has to find it.
PLANTED: tuple[tuple[Rule, str, str, str], ...] = (
    (files_are_short, "engine/a.py", "\n" * 401, "401 lines"),
    (functions_are_short, "engine/a.py", "class A:\n  async def f():\n" + "    pass\n" * 70, "f has 71 lines"),
    (modules_say_what_they_are, "tests/a.py", "import os\n", "after that: ''"),
    (modules_say_what_they_are, "engine/a.py", '"""What it is. `And` what not."""\n', "one sentence"),
    (modules_say_what_they_are, "engine/a.py", '"""What it is\n\nand what not."""\n', "one sentence"),
    (no_test_sleeps, "tests/a.py", "import time\n\ndef f():\n    time.sleep(1)\n", "a.py:4: sleeps"),
    (no_test_sleeps, "tests/a.py", "from time import monotonic, sleep\n", "a.py:1: sleeps"),
    (no_test_is_skipped, "tests/a.py", "@pytest.mark.skipif(True)\ndef test_a(): ...\n", "a.py:1: skipif"),
    (no_test_is_skipped, "tests/a.py", "def test_a():\n    pytest.skip('no')\n", "a.py:2: skip"),
    (paths_are_nobodys_own, "docs/a.md", f"see `{OF_A_MACHINE[0]}a.log`\n", f"a.md:1: {OF_A_MACHINE[0]}"),
    (paths_are_nobodys_own, "Makefile", f"a:\n\tls {OF_A_MACHINE[1]}main\n", f"Makefile:2: {OF_A_MACHINE[1]}"),
    (
        registries_are_the_users,
        "constraints.txt",
        f"# as {REGISTRY} has it\n",
        f"constraints.txt:1: {REGISTRY}",
    ),
    (suppressions_have_a_reason, "engine/a.py", "a = b  # noqa: SLF001\n", "say why SLF001 is silenced"),
    (
        suppressions_have_a_reason,
        "engine/a.py",
        "a = 1  # noqa: A001  (so)\nb = 1  # noqa: A001, B007\n",
        "why B007 is",
    ),
    (suppressions_have_a_reason, "engine/a.py", "a = b()  # type: ignore[arg-type]\n", "say why arg-type is silenced"),
    (links_lead_somewhere, "docs/a.md", "the [design](nowhere.md#top)\n", "links to nowhere.md"),
)


@pytest.mark.parametrize(("rule", "path", "text", "says"), PLANTED)
def test_a_planted_breach_is_seen(rule: Rule, path: str, text: str, says: str) -> None:
    assert [says in breach for breach in rule(Path(path), text)] == [True]


def test_every_rule_is_seen_to_work() -> None:
    assert {plant[0] for plant in PLANTED} == set(RULES)


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (functions_are_short, "engine/a.py", "def f():\n" + "    pass\n" * 69),
        (modules_say_what_they_are, "engine/a.py", '"""What e.g. `a.b` is: this, and that.\n\nMore. And more."""\n'),
        (modules_say_what_they_are, "engine/__init__.py", ""),
        (no_test_sleeps, "engine/a.py", "import time\ntime.sleep(1)\n"),
        (paths_are_nobodys_own, "docs/a.md", "<root>/raw, sink.root/work/x, http://a/root/b, /workers/\n"),
        (
            suppressions_have_a_reason,
            "engine/a.py",
            "a = 1  # noqa: A1 - so\nb = 1  # noqa: A1\nc = '# noqa: B7'\n",
        ),
        (suppressions_have_a_reason, "engine/a.py", "a = b()  # type: ignore[no-untyped-call]\n"),
        (links_lead_somewhere, "docs/a.md", "[a](../Makefile) [b](#here) [c](https://example.org/a) [d](mailto:a@b)\n"),
    ],
)
def test_what_keeps_the_rule_is_left_alone(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Path(path), text)) == []


def points_called(path: Path, text: str) -> Iterator[str]:
    """The failure points that a module passes through; each call names its point in plain sight."""
    names = {"failpoint"}
    for node in _nodes(path, text):
        match node:  # a module may pass them under another name, or not at all: `reached = failpoint if … else …`
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if "failpoint" in map(_name_of, ast.walk(value)):
                names.add(name)
    for node in _nodes(path, text):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str() as point)]) if name in names:
                yield point
            case ast.Call(func=ast.Name(id=name)) if name in names:
                pytest.fail(f"{path}:{node.lineno}: a failure point is named by a string, so that it can be found")


def _name_of(node: ast.AST) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def test_every_failure_point_is_passed_and_every_passed_one_is_listed(files: list[tuple[Path, str]]) -> None:
    ours = [(path, text) for path, text in files if path.parts[0] in {"engine", "plugins"}]
    called = {point for path, text in ours for point in points_called(path, text)}
    listed = {*POINTS, *OPERATIONS}
    assert not listed - called, f"listed, and nobody passes them: {sorted(listed - called)}"
    assert not called - listed, f"passed, and not listed: {sorted(called - listed)}"


def test_a_failure_point_is_found_under_any_name_and_never_guessed() -> None:
    text = "reached = failpoint if a else b\nfailpoint('one')\nreached('two')\nother('three')"
    assert list(points_called(Path("a.py"), text)) == ["one", "two"]
    with pytest.raises(pytest.fail.Exception, match="named by a string"):
        list(points_called(Path("a.py"), "failpoint(name)"))
