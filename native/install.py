"""Builds `streamlake-native` and installs it beside StreamLake: `make native`.

    python native/install.py [--if-possible] [--wheel FOLDER]

With the machine's C compiler, else with the one that the package `ziglang` brings. `--wheel` leaves a wheel in FOLDER
that runs on any Linux of this machine's kind with glibc 2.17 or newer, which takes `ziglang`. Exit code 1, and one
sentence, where it can't be built: StreamLake does the same without it, and takes more CPU. With `--if-possible` the
exit code is 0 all the same: `make setup` is done without.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
CONSTRAINTS = FOLDER.parent / "constraints.txt"
GLIBC = "2.17"
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def main() -> int:
    """Build, and install or leave the wheel."""
    parser = argparse.ArgumentParser(prog="native/install.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--wheel", type=Path, metavar="FOLDER", help="leave a portable wheel there; install nothing")
    parser.add_argument("--if-possible", action="store_true", help="exit code 0 where it can't be built, too")
    wanted = parser.parse_args()
    built = _built(wanted.wheel)
    return 0 if built or wanted.if_possible else 1


def _built(folder: Path | None) -> bool:
    """Whether it is installed now, or its wheel lies in `folder`; else the reason was said."""
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        return _not_built(f"there is no Python.h in {headers} (on Debian and Ubuntu: the package python3-dev)")
    with tempfile.TemporaryDirectory(prefix="streamlake-native-") as scratch:
        try:
            (built,) = _build(Path(scratch), portable=folder is not None)
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                print(f"native: {shutil.copy(built, folder)}")
            else:
                _run(*PIP, "install", "--force-reinstall", "--no-deps", str(built))
        except subprocess.CalledProcessError as error:
            return _not_built(f"this failed: {' '.join(error.cmd)}\n{error.stdout}")
    return True


def _build(scratch: Path, *, portable: bool) -> list[Path]:
    """The wheel, built of a copy: a build leaves its own files beside what it builds."""
    source = scratch / "native"
    shutil.copytree(FOLDER, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    environment, arguments = dict(os.environ), list[str]()
    if portable or not any(map(shutil.which, ("cc", "gcc", "clang"))):
        zig = scratch / "zig"
        _run(*PIP, "install", "--target", str(zig), "-c", str(CONSTRAINTS), "ziglang")
        compiler = f"{sys.executable} -m ziglang cc -target {platform.machine()}-linux-gnu.{GLIBC}"
        environment |= {"CC": compiler, "LDSHARED": f"{compiler} -shared", "PYTHONPATH": str(zig)}
        tag = f"manylinux_{GLIBC.replace('.', '_')}_{platform.machine()}"
        arguments = [f"--config-settings=--build-option=--plat-name={tag}"]
    wheels = scratch / "wheels"
    _run(
        *PIP, "wheel", "--no-build-isolation", "--no-deps", "-w", str(wheels), *arguments, str(source), env=environment
    )
    return list(wheels.iterdir())


def _run(*command: str, env: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)


def _not_built(why: str) -> bool:
    print(f"native: streamlake-native was not built: {why}", file=sys.stderr)
    print("native: StreamLake does the same without it, and takes more CPU", file=sys.stderr)
    return False


if __name__ == "__main__":
    sys.exit(main())
