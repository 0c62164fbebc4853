"""Every command block of README and docs is run by a test, or says why not; those that are not run are understood."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from handbook.followed import FOLLOWED
from support.pages import Block, blocks, run
from support.source import ROOT, source_files

from streamlake.engine.cli.page import commands

LANGUAGES = {"sh", "text", "python", "yaml", "json", "toml", "ini"}
SHELLS = {"sh", "bash", "shell", "console", ""}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
COMMANDS = dict(commands())
STARTED = re.compile(r"(?:^|[/(]|[|&;] |=\S* |exec \w+ )streamlake ([a-z][^|&><;)]*)")
"""A command of ours in a line of a shell: at its beginning, behind another one, or behind variables."""
PAGES = [
    str(path)
    for path in source_files()
    if path.suffix == ".md" and (path.parts[0] == "docs" or str(path) in {"README.md", "CONTRIBUTING.md"})
]


def marked(text: str) -> list[Block]:
    """The blocks of a page; a page may say once, for all of its command blocks, why none of them is run."""
    reason = re.search(r"^<!-- none is run: (?P<why>[^\n]+) -->$", text, re.MULTILINE)
    found = list(blocks(text))
    if reason is None:
        return found
    return [replace(one, mark="not run", what=reason["why"]) if one.language == "sh" else one for one in found]


def loose(page: str, text: str) -> Iterator[str]:
    """Where a page has commands that no test runs and no reason excuses, or blocks that say not what they are."""
    found = marked(text)
    if len(found) != text.count("```") / 2:
        yield f"{page}: a block that is not seen: begin it at the line's start, with its language"
    for block in found:
        if block.language not in LANGUAGES:
            yield f"{page}: a block in {block.language!r}; there are {', '.join(sorted(LANGUAGES))}"
        if block.language in SHELLS and not block.mark and page not in FOLLOWED:
            yield f"{page}: no test runs {block.text!r}; say why above it: <!-- not run: why -->"


@pytest.mark.parametrize("page", PAGES)
def test_each_command_block_is_run_or_says_why_not(page: str) -> None:
    assert list(loose(page, (ROOT / page).read_text())) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("```sh\nstreamlake gc a.yaml\n```\n", "no test runs"),
        ("```console\n$ ls\n```\n", "a block in 'console'"),
        ("```\nmake test\n```\n", "a block in ''"),
        ("- so:\n  ```sh\n  ls\n  ```\n", "not seen"),
    ],
)
def test_a_command_that_nobody_runs_is_seen(text: str, says: str) -> None:
    assert says in "".join(loose("docs/new.md", text))


def test_a_command_with_its_reason_is_left_alone() -> None:
    for_all = "<!-- none is run: they are for a pipeline in trouble -->\n"
    assert list(loose("docs/new.md", f"{for_all}```sh\nstreamlake gc a.yaml\n```\n")) == []
    assert [one.mark for one in marked(f"{for_all}```sh\nls\n```\n```text\nls\n```\n")] == ["not run", ""]
    assert (
        list(loose("docs/new.md", "<!-- not run: it stays in the foreground -->\n```sh\nstreamlake top a.yaml\n```\n"))
        == []
    )


@pytest.mark.parametrize("page", list(FOLLOWED))
def test_the_test_of_a_page_follows_it(page: str) -> None:
    test = (ROOT / FOLLOWED[page]).read_text()
    assert f'"{Path(page).name}"' in test or page in test
    assert re.search(r"\.follow\(|\brun\(", test)
    assert any(block.language == "sh" and not block.mark for block in blocks((ROOT / page).read_text())), "not needed"


def test_the_commands_of_docs_logs_md_run(tmp_path: Path) -> None:
    done = [run(block.text, tmp_path, "nowhere:1") for block in blocks((ROOT / "docs/logs.md").read_text())]
    assert [one.returncode for one in done] == [0], done


def unknown(block: Block) -> Iterator[str]:
    """Words of a block that no command of ours, or no target of make, takes."""
    for line in block.text.replace("\\\n", " ").splitlines():
        plain = line.partition(" #")[0]
        for target in re.findall(r"^make ((?:[A-Z_]+=\S+ )*[a-z-]+)", plain):
            if target.split()[-1] not in TARGETS:
                yield f"make {target}"
        for asked in STARTED.findall(plain):
            words = shlex.split(asked.partition(" -- ")[0])  # what follows is gunicorn's
            name = next((name for name in (" ".join(words[:2]), words[0]) if name in COMMANDS), "")
            options = {option for param in COMMANDS[name].params for option in param.opts} if name else set()
            given = {word.partition("=")[0] for word in words if word.startswith("--") and word != "--"}
            yield from [asked] if not name else sorted(given - options)


@pytest.mark.parametrize("page", PAGES)
def test_what_is_not_run_is_understood(page: str) -> None:
    found = [word for block in marked((ROOT / page).read_text()) if block.mark == "not run" for word in unknown(block)]
    assert found == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("make dance", ["make dance"]),
        ("streamlake dance a.yaml", ["dance a.yaml"]),
        ("A=b .venv/bin/streamlake replay run a.yaml --from 1 --frm 2", ["--frm"]),
        ("kubectl -n streamlake create secret generic streamlake --from-file=keys.json", []),
        ("OTEL=http://127.0.0.1:4318 streamlake dance | streamlake gc a.yaml --now", ["dance ", "--now"]),
        ("make demo STORY=replay\nstreamlake prove a.yaml --kafka   # --all\nstreamlake --version", []),
    ],
)
def test_words_that_nobody_takes_are_seen(text: str, says: list[str]) -> None:
    assert list(unknown(Block("sh", text, "not run", "why"))) == says
