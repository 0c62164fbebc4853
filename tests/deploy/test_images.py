"""The Dockerfiles: their linter, and everything that they copy, install and run, done here without Docker."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from support.dockerfile import context, instructions
from support.source import ROOT

OURS = ROOT / "Dockerfile"
AIRFLOW = ROOT / "deploy" / "airflow" / "Dockerfile"
BOTH = pytest.mark.parametrize("path", [OURS, AIRFLOW], ids=["engine and edge", "airflow"])
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Docker would be sent."""
    folder = tmp_path_factory.mktemp("context")
    context(folder)
    return folder


@BOTH
def test_the_linter_has_nothing_to_say(path: Path, deploy_tools: None) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@BOTH
def test_what_is_copied_is_sent_and_nothing_else_is_needed(path: Path, sent: Path) -> None:
    copied = [one for one in instructions(path) if one.word == "COPY"]
    sources = [source for one in copied if "--from" not in one.rest for source in one.words[:-1]]
    assert sources
    assert [source for source in sources if not (sent / source).exists()] == []


def test_nothing_is_sent_that_no_image_is_made_of(sent: Path) -> None:
    assert {path.name for path in sent.iterdir()} <= {
        *("pyproject.toml", "constraints.txt", "README.md", "LICENSE"),
        *("config", "engine", "http_edge", "plugins", "native", "dags", "deploy"),
    }
    assert [path for path in sent.rglob("*") if path.name == "__pycache__" or path.suffix == ".pyc"] == []


@BOTH
def test_images_are_of_whole_versions_and_end_without_root(path: Path) -> None:
    bases = [one.words[0] for one in instructions(path) if one.word == "FROM"]
    assert all(re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+(-[a-z0-9.]+)*", base) for base in bases), bases
    users = [one.rest for one in instructions(path) if one.word == "USER"]
    # Apache's image ends as its user `airflow`.
    assert users == (["10001:10001"] if path == OURS else [])


def pip_installs(path: Path) -> Iterator[list[str]]:
    for one in instructions(path):
        for command in one.rest.split("&&") if one.word == "RUN" else ():
            words = command.replace("'", "").replace('"', "").split()
            if "install" in words and words[0].endswith("pip"):
                yield words[words.index("install") + 1 :]


def test_each_pip_line_of_ours_is_one_that_pip_takes(sent: Path) -> None:
    lines = list(pip_installs(OURS))
    assert any(".[" in word for line in lines for word in line)
    for line in lines:
        # All that is asked for is here in the pinned versions, so nothing is fetched: a pin that is missing is seen.
        pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", *line]
        done = subprocess.run(pip, cwd=sent, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"


def test_the_extras_are_ones_that_there_are_and_the_wheel_has_its_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for path in (OURS, AIRFLOW):
        asked = re.findall(r"\[([a-z,]+)\]['\"]", path.read_text())
        assert asked
        assert {extra for one in asked for extra in one.split(",")} <= set(project["optional-dependencies"])
    assert f"/wheels/streamlake-{VERSION}-py3-none-any.whl[" in AIRFLOW.read_text()


def test_what_the_image_starts_is_there() -> None:
    by_word = {one.word: one for one in instructions(OURS)}
    assert by_word["ENTRYPOINT"].words == ["tini", "--", "streamlake"]
    program = Path(sys.executable).with_name(by_word["ENTRYPOINT"].words[-1])
    done = subprocess.run([program, *by_word["CMD"].words], capture_output=True, text=True, check=False)
    assert (done.returncode, "prove" in done.stdout) == (0, True)
    native = next(one for one in instructions(OURS) if "native/install.py" in one.rest)
    assert (ROOT / native.words[-1]).exists()
    assert by_word["HEALTHCHECK"].rest.endswith('CMD ["healthcheck"]')


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def test_the_health_check_says_yes_to_200_alone() -> None:
    program = [sys.executable, str(ROOT / "deploy" / "docker" / "healthcheck.py")]
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}"
        found = [
            subprocess.run([*program, f"{base}{path}"], capture_output=True, text=True, check=False)
            for path in ("/livez", "/readyz")
        ]
        alone = {"STREAMLAKE_HEALTH_URL": f"{base}/livez", "http_proxy": "http://127.0.0.1:1"}
        by_variable = subprocess.run(program, env=alone, check=False)
        server.shutdown()
        thread.join()
    away = subprocess.run([*program, f"{base}/livez"], capture_output=True, text=True, check=False)
    assert [one.returncode for one in (*found, away)] == [0, 1, 1]
    assert by_variable.returncode == 0
    assert "503" in found[1].stdout
    assert "refused" in away.stdout
