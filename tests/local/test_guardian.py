"""No server outlives whoever started it, however that one dies."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from support.waiting import wait_until

from streamlake.engine.errors import LocalError
from streamlake.engine.local.guarded import GuardedProcesses

GONE_SECONDS_MAX = 20.0

STARTER = """
import json, os, sys
from pathlib import Path
from streamlake.engine.local.guarded import GuardedProcesses

processes = GuardedProcesses()
pids = [processes.spawn(f"server-{n}", ["sleep", "600"], processes.folder / "out") for n in range(2)]
print(json.dumps({"pids": [*pids, processes._guardian.pid], "folder": str(processes.folder)}), flush=True)
EXTRA
sys.stdin.read()
processes.close()
"""

KAFKA_STARTER = """
import json, sys
from streamlake.engine.local.kafka import LocalKafka

kafka = LocalKafka().start()
guardian = kafka._processes._guardian.pid
print(json.dumps({"pids": [kafka.pid(), guardian], "folder": str(kafka.folder)}), flush=True)
sys.stdin.read()
"""

GCS_STARTER = """
import json, sys
from streamlake.engine.local.gcs import LocalGcs

gcs = LocalGcs().start()
print(json.dumps({"pids": [gcs.pid, gcs._processes._guardian.pid], "folder": str(gcs.folder)}), flush=True)
sys.stdin.read()
"""


class Starter:
    """A process that has started servers through a guardian, and pidfds of all that it started."""

    def __init__(self, program: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        told = json.loads(self.process.stdout.readline())
        self.pids: list[int] = told["pids"]
        self.folder = Path(told["folder"])
        # Opened while they live, a pidfd can't be mistaken for a later process with the same pid.
        self.pidfds = [os.pidfd_open(pid) for pid in self.pids]

    def close(self) -> None:
        """Ends exactly what this starter began, also after a test that failed: by pidfd, and by its own session."""
        for pidfd in self.pidfds:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
        # Not yet waited for, the starter still owns its pid, so the group is its own: it and what it forked.
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)


def start(program: str) -> Iterator[Starter]:
    starter = Starter(program)
    try:
        yield starter
    finally:
        starter.close()


@pytest.fixture
def starter() -> Iterator[Starter]:
    yield from start(STARTER.replace("EXTRA", ""))


@pytest.fixture
def starter_with_a_forked_child() -> Iterator[Starter]:
    # The child holds the starter's end of the guardian's pipe open after the starter's death.
    child = "if os.fork() == 0: sys.stdin.close(); os.read(os.pipe()[0], 1)"
    yield from start(STARTER.replace("EXTRA", child))


@pytest.fixture
def kafka_starter(kafka_parts: None) -> Iterator[Starter]:
    yield from start(KAFKA_STARTER)


@pytest.fixture
def gcs_starter(gcs_parts: None) -> Iterator[Starter]:
    yield from start(GCS_STARTER)


def assert_gone(pidfds: Sequence[int]) -> None:
    for pidfd in pidfds:
        ready, _, _ = select.select([pidfd], [], [], GONE_SECONDS_MAX)
        assert ready, "a process is still there"


def assert_alive(pidfds: Sequence[int]) -> None:
    ready, _, _ = select.select(pidfds, [], [], 0.3)
    assert not ready, "a process has ended"


def test_nothing_is_left_after_a_kill_9_of_the_starter(starter: Starter) -> None:
    assert_alive(starter.pidfds)
    starter.process.kill()
    assert_gone(starter.pidfds)
    assert not starter.folder.exists()


def test_nothing_is_left_though_a_forked_child_of_the_starter_lives_on(
    starter_with_a_forked_child: Starter,
) -> None:
    starter_with_a_forked_child.process.kill()
    assert_gone(starter_with_a_forked_child.pidfds)


def test_paused_servers_go_too(starter: Starter) -> None:
    os.kill(starter.pids[0], signal.SIGSTOP)
    starter.process.kill()
    assert_gone(starter.pidfds)


def test_servers_do_not_outlive_a_kill_9_of_the_guardian(starter: Starter) -> None:
    os.kill(starter.pids[-1], signal.SIGKILL)
    assert_gone(starter.pidfds)
    starter.process.communicate()  # the starter ends in order and does what the guardian no longer can
    assert not starter.folder.exists()


def test_a_guardian_asked_to_end_takes_its_servers_along(starter: Starter) -> None:
    os.kill(starter.pids[-1], signal.SIGTERM)
    assert_gone(starter.pidfds)
    assert not starter.folder.exists()


def test_ctrl_c_on_the_terminal_reaches_the_starter_alone(starter: Starter) -> None:
    os.killpg(starter.process.pid, signal.SIGSTOP)  # so that it doesn't end and take the others along
    os.killpg(starter.process.pid, signal.SIGINT)
    os.kill(starter.pids[-1], signal.SIGINT)  # not even one that is sent to the guardian
    assert_alive(starter.pidfds)


def test_no_broker_is_left_after_a_kill_9_of_its_starter(kafka_starter: Starter) -> None:
    assert_alive(kafka_starter.pidfds)
    kafka_starter.process.kill()
    assert_gone(kafka_starter.pidfds)
    assert not kafka_starter.folder.exists()


def test_no_storage_server_is_left_after_a_kill_9_of_its_starter(gcs_starter: Starter) -> None:
    assert_alive(gcs_starter.pidfds)
    gcs_starter.process.kill()
    assert_gone(gcs_starter.pidfds)
    assert not gcs_starter.folder.exists()


def test_a_process_is_waited_for_and_its_return_code_told() -> None:
    with GuardedProcesses() as processes:
        processes.spawn("server", ["sleep", "600"], processes.folder / "out")
        assert processes.wait("server") is None
        processes.send_signal("server", signal.SIGTERM)
        assert processes.wait("server", GONE_SECONDS_MAX) == -signal.SIGTERM
        # Its pid may be somebody else's by now: nothing is sent any more.
        assert processes.send_signal("server", signal.SIGKILL) == -signal.SIGTERM


def test_a_command_that_is_not_there_is_told() -> None:
    with GuardedProcesses() as processes, pytest.raises(LocalError, match="no-such-program can't be started"):
        processes.spawn("server", ["/no-such-program"], processes.folder / "out")


def test_a_folder_is_used_by_one_at_a_time(tmp_path: Path) -> None:
    with GuardedProcesses(tmp_path), pytest.raises(LocalError, match="in use by another"):
        GuardedProcesses(tmp_path)
    GuardedProcesses(tmp_path).close()
    assert tmp_path.exists()


def test_a_forked_child_can_not_stop_its_parents_servers() -> None:
    with GuardedProcesses() as processes:
        processes.spawn("server", ["sleep", "600"], processes.folder / "out")
        processes._owner_pid += 1  # what a forked child sees: another pid than its own
        processes.close()
        with pytest.raises(LocalError, match="belongs to the process that started it"):
            processes.wait("server")
        processes._owner_pid -= 1
        assert processes.wait("server") is None


def test_a_stopped_one_says_so() -> None:
    processes = GuardedProcesses()
    processes.close()
    processes.close()
    with pytest.raises(LocalError, match="has been stopped"):
        processes.wait("server")


def test_what_a_server_has_left_behind_ends_with_it(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    # In a session of its own, and with a child: no signal to a group reaches it.
    script = f"setsid sh -c 'sleep 600 & echo $! > {told}.new; mv {told}.new {told}; wait' & exec sleep 600"
    with GuardedProcesses() as processes:
        server = processes.spawn("server", ["sh", "-c", script], tmp_path / "out")
        wait_until(told.exists, "the server's grandchild")
        grandchild = os.pidfd_open(int(told.read_text()))
        os.kill(server, signal.SIGKILL)
        assert processes.wait("server", GONE_SECONDS_MAX) == -signal.SIGKILL
        assert select.select([grandchild], [], [], 0)[0] == [], "it lives, and is nobody's child but the guardian's"
    assert select.select([grandchild], [], [], GONE_SECONDS_MAX)[0] == [grandchild]
    os.close(grandchild)
