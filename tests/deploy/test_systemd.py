"""deploy/systemd: units that systemd itself has nothing to say against, and that fit what an engine and an edge do."""

import re
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest
from support.source import ROOT

from streamlake.config.load import load_pipeline
from streamlake.engine.errors import Exit
from streamlake.engine.notify import SPARE_SECONDS

FOLDER = ROOT / "deploy" / "systemd"
UNITS = {"streamlake@.service": "run", "streamlake-edge@.service": "serve"}
INSTALLED = "/opt/streamlake/.venv/bin/streamlake"


class _Unit(RawConfigParser):
    """A unit without a word twice, which is all that ours need."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def service(name: str) -> dict[str, str]:
    unit = _Unit(delimiters=("=",), comment_prefixes=("#",), strict=True, interpolation=None)
    unit.read_string((FOLDER / name).read_text())
    return dict(unit["Service"])


@pytest.mark.parametrize("name", UNITS)
def test_systemd_takes_it_and_finds_it_well_shut_in(name: str, systemd_analyze: str, tmp_path: Path) -> None:
    # As installed: a template's instance, and a program that is there.
    unit = tmp_path / name.replace("@", "@orders")
    program = Path(sys.executable).with_name("streamlake")
    unit.write_text((FOLDER / name).read_text().replace(INSTALLED, str(program)))
    for arguments in (["verify"], ["security", "--offline=true", "--threshold=20"]):
        done = subprocess.run([systemd_analyze, *arguments, unit], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        if arguments == ["verify"]:
            assert done.stderr == "", "without a warning"
    unit.write_text(unit.read_text().replace("WatchdogSec", "WatchdogSecs"))
    done = subprocess.run([systemd_analyze, "verify", unit], capture_output=True, text=True, check=False)
    assert "WatchdogSecs" in done.stderr, "a word that systemd does not know is seen"


@pytest.mark.parametrize(("name", "verb"), UNITS.items())
def test_it_starts_a_command_that_there_is_and_reloads_and_ends_as_that_does(name: str, verb: str) -> None:
    unit = service(name)
    assert unit["ExecStart"] == f"{INSTALLED} {verb} /etc/streamlake/%i.yaml"
    program = Path(sys.executable).with_name("streamlake")
    done = subprocess.run([program, verb, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "SIGHUP" in done.stdout
    assert unit["ExecReload"].endswith("kill -HUP $MAINPID")
    assert unit["Type"] == "notify"
    assert (unit["Restart"], unit["RestartPreventExitStatus"]) == ("on-failure", str(int(Exit.BAD_CONFIG)))
    assert unit["KillMode"] == "mixed", "SIGTERM is the supervisor's: it asks its workers"
    assert unit["OOMPolicy"] == "continue", "one worker's end is not the unit's"


def test_times_are_longer_than_what_they_wait_for() -> None:
    config = load_pipeline(ROOT / "config" / "examples" / "orders.yaml")
    assert config.http
    for name, drains in zip(UNITS, (config.workers.drain_seconds, config.http.drain_seconds), strict=True):
        unit = service(name)
        assert float(unit["TimeoutStopSec"]) >= drains + 10
        assert float(unit["TimeoutStartSec"]) > SPARE_SECONDS
        assert float(unit["WatchdogSec"]) >= 60


def test_what_an_engine_writes_beside_its_lake_may_be_written() -> None:
    for name in UNITS:
        unit = service(name)
        assert unit["ProtectSystem"] == "strict"
        state = re.fullmatch(r"XDG_STATE_HOME=/var/lib/(.*)", unit["Environment"])
        assert state
        assert state[1] == unit["StateDirectory"]
