"""Maven's own settings are honoured when jars are fetched."""

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from streamlake.engine.errors import LocalError
from streamlake.engine.local.lock import LockedJar
from streamlake.engine.local.maven import fetch_jars, mirror_of_central

CONTENT = b"what the jar holds"
JAR = LockedJar("org.example", "one", "1.0", hashlib.sha256(CONTENT).hexdigest())
IN_REPOSITORY = "org/example/one/1.0/one-1.0.jar"


class Mirror:
    """A Maven repository on loopback that can break off its first answers in the middle."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken_answers = 0
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append(self.path)
                if self.path != f"/maven/{IN_REPOSITORY}":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(CONTENT)))
                self.end_headers()
                broken = mirror.broken_answers > 0
                mirror.broken_answers -= broken
                self.wfile.write(CONTENT[:5] if broken else CONTENT)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its base names it
                pass  # a test's output is its own

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/maven"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / ".m2").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    for name in ("M2_REPO", "JGO_CONFIG_FILE", "XDG_CONFIG_HOME", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def mirror(home: Path) -> Iterator[Mirror]:
    mirror = Mirror()
    (home / ".m2" / "settings.xml").write_text(settings(mirrorOf="central", url=mirror.url))
    thread = Thread(target=mirror.server.serve_forever)
    thread.start()
    yield mirror
    mirror.server.shutdown()
    mirror.server.server_close()
    thread.join()


def settings(**mirror: str) -> str:
    fields = "".join(f"<{name}>{value}</{name}>" for name, value in mirror.items())
    namespace = "http://maven.apache.org/SETTINGS/1.0.0"
    return f'<settings xmlns="{namespace}"><mirrors><mirror>{fields}</mirror></mirrors></settings>'


def test_a_jar_comes_from_the_mirror_of_the_users_settings(mirror: Mirror, tmp_path: Path) -> None:
    fetch_jars([JAR], tmp_path)
    assert (tmp_path / "one-1.0.jar").read_bytes() == CONTENT
    assert f"/maven/{IN_REPOSITORY}" in mirror.asked


def test_a_connection_that_breaks_off_is_tried_again_from_the_start(mirror: Mirror, tmp_path: Path) -> None:
    mirror.broken_answers = 2
    fetch_jars([JAR], tmp_path)
    assert (tmp_path / "one-1.0.jar").read_bytes() == CONTENT


def test_a_jar_that_is_nowhere_is_told_with_what_to_do(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"org.example:none:.*1.0 can't be fetched.*settings.xml"):
        fetch_jars([LockedJar("org.example", "none", "1.0", "0" * 64)], tmp_path)


def test_a_jar_in_the_users_own_repository_is_copied_without_network(
    mirror: Mirror, home: Path, tmp_path: Path
) -> None:
    kept = home / ".m2" / "repository" / IN_REPOSITORY
    kept.parent.mkdir(parents=True)
    kept.write_bytes(CONTENT)
    fetch_jars([JAR], tmp_path)
    assert (tmp_path / "one-1.0.jar").read_bytes() == CONTENT
    assert mirror.asked == []


def test_a_damaged_jar_in_the_users_own_repository_is_passed_over_and_left_alone(
    mirror: Mirror, home: Path, tmp_path: Path
) -> None:
    kept = home / ".m2" / "repository" / IN_REPOSITORY
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"half of")
    fetch_jars([JAR], tmp_path)
    assert (tmp_path / "one-1.0.jar").read_bytes() == CONTENT
    assert kept.read_bytes() == b"half of"


@pytest.mark.parametrize(
    ("of", "taken"),
    [
        ("central", True),
        ("*", True),
        ("external:*", True),
        ("internal, central", True),
        ("*,!central", False),
        ("internal", False),
    ],
)
def test_a_mirror_counts_when_it_stands_for_central(of: str, taken: bool, tmp_path: Path) -> None:
    path = tmp_path / "settings.xml"
    path.write_text(settings(mirrorOf=of, url="https://mirror.example/maven/"))
    assert mirror_of_central(path) == ("https://mirror.example/maven" if taken else None)


def test_settings_that_are_not_xml_are_told(tmp_path: Path) -> None:
    path = tmp_path / "settings.xml"
    path.write_text("<settings>")
    with pytest.raises(LocalError, match="is not XML"):
        mirror_of_central(path)
