"""A detached process is found again, and never taken for another one that has its pid."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.waiting import wait_until

from streamlake.engine.errors import LocalError
from streamlake.engine.local.detached import Detached, Identity

PAUSES = (sys.executable, "-c", "import signal; print('here', flush=True); signal.pause()")
IGNORES = (
    "import signal, subprocess, sys\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
    "print(child.pid, flush=True)\n"
    "signal.pause()"
)
STUBBORN = (sys.executable, "-c", IGNORES)
ASKS = (
    "import signal, subprocess, sys\n"
    "program = 'import signal, sys; signal.signal(15, lambda *_: sys.exit(print(\"asked\"))); '\n"
    "program += 'print(\"up\", flush=True); signal.pause()'\n"
    "child = subprocess.Popen([sys.executable, '-c', program])\n"
    "signal.signal(signal.SIGTERM, lambda *_: None)\n"
    "child.wait()"
)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Detached]:
    """One that is stopped in the end."""
    detached = Detached("one", tmp_path / "run")
    yield detached
    detached.stop(5)


def started(process: Detached, command: tuple[str, ...]) -> int:
    process.start(command, os.environ)
    wait_until(lambda: process.log_tail() != "(it printed nothing)", process.log_tail)
    assert process.pid is not None
    return process.pid


def test_it_is_found_by_another_object_and_stopped_twice(process: Detached) -> None:
    pid = started(process, PAUSES)
    other = Detached("one", process.folder)
    assert other.pid == pid
    assert os.getsid(pid) == pid, "it hears no Ctrl-C of ours"
    assert other.stop(5)
    assert Identity.of(pid) is None
    assert not other.was_started
    assert not other.stop(5)


def test_one_that_ends_by_itself_is_seen(process: Detached) -> None:
    process.start((sys.executable, "-c", "print('no')"), os.environ)
    wait_until(lambda: process.pid is None, process.log_tail)
    assert process.was_started
    assert process.log_tail() == "no"


def test_the_log_of_the_start_before_is_kept(process: Detached) -> None:
    for word in ("first", "second"):
        process.start((sys.executable, "-c", f"print('{word}')"), os.environ)
        wait_until(lambda: process.pid is None, process.log_tail)
    assert process.log_tail() == "second"
    assert process.log_path.with_suffix(".log.1").read_text() == "first\n"


@pytest.mark.parametrize("changed", [{"started_ticks": 7}, {"boot": "another"}])
def test_a_pid_that_somebody_else_has_now_is_left_alone(process: Detached, changed: dict[str, object]) -> None:
    pid = started(process, PAUSES)
    file = process.folder / "one.pid"
    whole = file.read_text()
    file.write_text(json.dumps({**json.loads(whole), **changed}))
    assert process.pid is None
    assert not process.stop(5)
    assert Identity.of(pid) is not None, "it lives"
    file.write_text(whole)


@pytest.mark.parametrize("text", ["", "4711", "{}", "[]", '{"pid": 1}'])
def test_a_damaged_pid_file_is_of_no_process(tmp_path: Path, text: str) -> None:
    (tmp_path / "one.pid").write_text(text)
    process = Detached("one", tmp_path)
    assert process.pid is None
    assert not process.stop(1)


def test_one_that_does_not_listen_is_killed_with_all_that_it_started(process: Detached) -> None:
    pid = started(process, STUBBORN)
    child = int(process.log_tail())
    assert process.stop(0.2)
    assert Identity.of(pid) is None
    wait_until(lambda: Identity.of(child) is None, "its child is gone")


def test_the_whole_group_is_asked_where_that_is_wanted(process: Detached) -> None:
    started(process, (sys.executable, "-c", ASKS))
    process.stop(20, whole_group=True)
    assert process.log_tail() == "up\nasked"


def test_a_program_that_there_is_not_is_said(process: Detached) -> None:
    with pytest.raises(LocalError, match="one: no-such-program can't be started: No such file"):
        process.start(("no-such-program",), os.environ)


def test_signals_that_a_shell_has_switched_off_are_heard(tmp_path: Path) -> None:
    program = (
        "import os; from pathlib import Path; from streamlake.engine.local.detached import Detached\n"
        f"Detached('one', Path({str(tmp_path)!r})).start(({sys.executable!r}, '-c', "
        "'import signal; print(signal.getsignal(signal.SIGINT))'), os.environ)"
    )
    quiet = f"trap '' INT; exec {sys.executable} -c \"$0\""
    subprocess.run(["sh", "-c", quiet, program], check=True, timeout=60)
    process = Detached("one", tmp_path)
    wait_until(lambda: "handler" in process.log_tail(), process.log_tail)
    assert signal.Handlers.SIG_IGN.name not in process.log_tail()
