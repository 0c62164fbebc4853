"""The example packages of the documentation, installed into an environment of their own as a user's pip does it."""

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from support.source import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "streamlake-example-sqlite"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the example in it; StreamLake and what it needs are borrowed from ours."""
    folder = tmp_path_factory.mktemp("example")
    venv.create(folder / "venv", with_pip=False)
    (site_packages,) = (folder / "venv").glob("lib/python*/site-packages")
    # With what .pth files say there: our own package is installed by one.
    borrowed = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (site_packages / "borrowed.pth").write_text(borrowed)
    # A build leaves things beside what it builds.
    shutil.copytree(EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "venv"), "install", "--quiet"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    done = subprocess.run(
        [*pip, *offline, str(folder / "source")], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    script = folder / "venv" / "bin" / "streamlake"
    script.write_text(f"#!{folder}/venv/bin/python\nfrom streamlake.engine.cli.main import main\nmain()\n")
    script.chmod(0o755)
    return folder / "venv"


@pytest.fixture(scope="session")
def program(installed: Path) -> str:
    """The `streamlake` of that environment."""
    return str(installed / "bin" / "streamlake")
