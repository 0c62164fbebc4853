"""What is installed is what is in the tree: a wheel built from a clean export, installed elsewhere, and run there."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.imports import FOLDERS, Import, is_foreign, read_tree
from support.source import ROOT, export, source_files

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS: dict[str, Any] = PROJECT["tool"]["setuptools"]
ENTRY_POINTS: dict[str, dict[str, str]] = PROJECT["project"]["entry-points"]

EXTRA_OF_FOLDER = {
    "engine/local": "local",
    "engine/operations/post": "edge",
    "engine/operations/quality_database": "quality",
    "http_edge": "edge",
    "engine/pytest_plugin": "testing",
    "engine/tracing": "otel",
}
"""What is imported below these folders may come from an extra."""

BUILT_HERE = {"streamlake-native"}
"""From `native/`: it is on no index, so nothing may ask one for it."""

PART_OF = {"pydantic-core": "pydantic"}
"""Distributions that another one pins and stands for."""


@dataclass(frozen=True)
class Installed:
    """A virtual environment with nothing of StreamLake but its wheel; what it depends on is borrowed from ours."""

    folder: Path

    def run(self, *command: str) -> str:
        """What the command prints on standard output; `command[0]` is a program of the environment."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
        program, *arguments = command
        result = subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


@pytest.fixture(scope="module")
def clean_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as a clean checkout has it."""
    folder = tmp_path_factory.mktemp("export")
    export(folder)
    return folder


@pytest.fixture(scope="module")
def wheel(clean_export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without the network by the setuptools that is here."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(clean_export)]
    result = subprocess.run(build, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, installed into an environment of its own."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    # A path in a .pth file is searched, and the .pth files found there are not run: so our own editable install,
    # which is such a file, stays out.
    (site_packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "install", "--quiet", "--no-deps", "--no-index"]
    result = subprocess.run([*pip, str(wheel)], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    return Installed(folder)


def packages_of(root: Path) -> set[str]:
    """The folders that hold modules, or packages that do, by their import names; an `__init__` alone is no module."""
    folders: set[Path] = set()
    for path in source_files(root):
        if path.suffix == ".py" and path.name != "__init__.py" and path.parts[0] in FOLDERS:
            folders.update(folder for folder in path.parents if folder != Path())
    return {".".join(["streamlake", *folder.parts]) for folder in folders}


def test_the_list_of_packages_is_that_of_the_folders() -> None:
    assert sorted(SETUPTOOLS["packages"]) == sorted(packages_of(ROOT))
    without_init = [name for name in SETUPTOOLS["packages"] if not _folder_of(name).joinpath("__init__.py").exists()]
    assert without_init == []


def test_a_folder_that_is_not_in_the_list_is_seen(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("build/\n")
    for name in ("engine/new/a.py", "engine/__init__.py", "http_edge/__init__.py", "build/lib/engine/old/b.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('"""A."""\n')
    assert packages_of(tmp_path) == {"streamlake.engine", "streamlake.engine.new"}


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(clean_export: Path, wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        f"streamlake/{path}"
        for path in source_files(clean_export)
        if f"streamlake.{'.'.join(path.parts[:1])}" in SETUPTOOLS["package-dir"] and not path.name.startswith(".")
    }
    assert {name for name in names if not name.startswith("streamlake-")} == expected


@pytest.mark.parametrize(
    "pattern",
    [
        r"streamlake/(engine|plugins|config)/py\.typed",
        r"streamlake/engine/local/jgo\.lock\.toml",
        r"streamlake/config/examples/.*\.yaml",
        r"streamlake/config/.*schema.*\.json",
        r"streamlake-[^/]*\.dist-info/licenses/LICENSE",
    ],
)
def test_what_a_user_needs_beside_the_code_is_in_the_wheel(pattern: str, wheel: Path) -> None:
    assert [name for name in zipfile.ZipFile(wheel).namelist() if re.fullmatch(pattern, name)]


def test_the_installed_command_runs_from_its_own_files(installed: Installed) -> None:
    assert "prove" in installed.run("streamlake", "--help")
    where = installed.run("python", "-c", "import streamlake.engine.contracts as c; print(c.__file__)")
    assert Path(where.strip()).is_relative_to(installed.folder)


def test_every_entry_point_loads_where_it_is_installed(installed: Installed) -> None:
    code = (
        "from importlib.metadata import entry_points\n"
        f"for group in {sorted(ENTRY_POINTS)}:\n"
        "    for point in entry_points(group=group):\n"
        "        if point.dist.name != 'streamlake': continue  # what is borrowed has plugins of its own\n"
        "        print(group, point.name, point.load().__name__)\n"
    )
    loaded = {tuple(line.split()[:2]) for line in installed.run("python", "-c", code).splitlines()}
    assert loaded == {(group, name) for group, points in ENTRY_POINTS.items() for name in points}


def test_every_module_can_be_imported_where_it_is_installed(installed: Installed) -> None:
    names = [f"streamlake.{name}" for name in read_tree(ROOT) if _is_packaged(name)]
    code = f"import importlib\nfor name in {names}:\n    importlib.import_module(name)\nprint('all of them')"
    assert installed.run("python", "-c", code) == "all of them\n"


def requirements(*extras: str) -> dict[str, Requirement]:
    """What the core and these extras ask for, by canonical name."""
    declared: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
    texts = [*PROJECT["project"]["dependencies"], *(text for extra in extras for text in declared[extra])]
    return {canonicalize_name(requirement.name): requirement for requirement in map(Requirement, texts)}


@cache
def distributions() -> Mapping[str, list[str]]:
    """Which installed distributions bring a module of this name."""
    return packages_distributions()


def undeclared(module: str, imports: tuple[Import, ...]) -> Iterator[str]:
    """The installed distributions that a module imports without our asking for them."""
    folders = [extra for folder, extra in EXTRA_OF_FOLDER.items() if module.startswith(folder.replace("/", "."))]
    declared = requirements("gcs", *folders)
    known = distributions()
    for found in imports:
        names = {PART_OF.get(name, name) for name in map(canonicalize_name, known.get(found.library, [found.library]))}
        if not names & {*declared, *BUILT_HERE}:
            yield f"{module}:{found.line}: {found.library} comes from {', '.join(names)}, which is not asked for"


def test_every_library_that_is_imported_is_asked_for() -> None:
    tree = read_tree(ROOT)
    foreign = {module: tuple(i for i in imports if is_foreign(i, tree)) for module, imports in tree.items()}
    missing = [line for module, imports in foreign.items() for line in undeclared(module, imports)]
    assert not missing, "\n".join(missing)


def test_a_library_that_is_not_asked_for_is_seen() -> None:
    assert "pytest comes from pytest" in next(undeclared("engine.worker", (Import("pytest", 3, lazy=False),)))
    assert "jgo comes from jgo" in next(undeclared("engine.worker", (Import("jgo.config", 3, lazy=False),)))
    assert list(undeclared("engine.local.maven", (Import("jgo.config", 3, lazy=False),))) == []


def pins() -> dict[str, str]:
    """constraints.txt: versions by canonical name. Every line is a comment or an exact pin: no address, no hash."""
    found: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            pin = re.fullmatch(r"([\w.\-]+)==([\w.!]+)", line)
            assert pin, f"constraints.txt: {line!r} is no exact pin"
            found[canonicalize_name(pin[1])] = pin[2]
    return found


def test_everything_that_is_asked_for_is_pinned_to_a_version_that_will_do() -> None:
    found = pins()
    asked = requirements("local", "dev", "gcs", "edge", "quality", "otel", "docs", "airflow", "deploy")
    assert {name for name in asked if name not in found} == set(), "make constraints.txt again (its head says how)"
    assert [str(asked[name]) for name in asked if found[name] not in asked[name].specifier] == []


def test_make_alone_lists_every_target() -> None:
    phony = " ".join(re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert phony
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert re.findall(r"^  ([\w-]+)\t\S", listed, re.MULTILINE) == phony.split()


def _is_packaged(module: str) -> bool:
    return module.partition(".")[0] in {name.partition(".")[2] for name in SETUPTOOLS["package-dir"]}


def _folder_of(package: str) -> Path:
    return ROOT.joinpath(*package.split(".")[1:])
