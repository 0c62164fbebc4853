"""An engine's last word: what stays of it, who is believed, and a host that has no place for it."""

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import structlog

from streamlake.engine.records import TopicPartition
from streamlake.engine.state import EngineState, PartitionState
from streamlake.engine.state_file import StateFile, said_before, state_folder

ORDERS_0, ORDERS_1 = TopicPartition("orders", 0), TopicPartition("orders", 1)


def engine(*partitions: PartitionState) -> EngineState:
    return EngineState("orders", "live-1", "here", os.getpid(), "2026-01-31T06:00:00+00:00", partitions=partitions)


READING = PartitionState(ORDERS_0, phase="reading")
PARKED = PartitionState(ORDERS_1, phase="parked", why="550 refused in a row", since="2026-01-31T06:00:01+00:00")


def test_only_what_is_in_trouble_is_written_and_a_living_engine_is_known_as_such(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    file.show(engine(READING))
    (said,) = said_before(tmp_path)
    assert (said.running, said.state.partitions) == (True, [])
    file.show(engine(READING, PARKED))
    (said,) = said_before(tmp_path)
    assert (said.running, said.state.partitions) == (True, [PARKED])
    file.close()
    (said,) = said_before(tmp_path)
    assert (said.running, said.state.partitions) == (False, [PARKED])


def test_a_shorter_word_leaves_nothing_of_the_longer_one(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    file.show(engine(READING, PARKED))
    file.show(engine(READING))
    (said,) = said_before(tmp_path)
    assert said.state.partitions == []
    file.close()
    assert list(tmp_path.iterdir()) == []


def test_a_new_engine_takes_the_word_of_a_dead_one_away_and_leaves_a_living_ones(tmp_path: Path) -> None:
    dead, living = StateFile(tmp_path), StateFile(tmp_path)
    dead.show(engine(PARKED))
    living.show(engine(PARKED))
    dead.close()
    StateFile(tmp_path).show(engine(READING))
    assert sorted((said.running, len(said.state.partitions)) for said in said_before(tmp_path)) == [
        (True, 0),
        (True, 1),
    ]


def _park_and_wait(folder: Path, pipe: Connection) -> None:
    StateFile(folder).show(engine(PARKED))
    pipe.send("written")
    pipe.recv()


def test_a_killed_engine_is_not_running(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_park_and_wait, args=(tmp_path, there))
    process.start()
    assert here.recv() == "written"
    assert [said.running for said in said_before(tmp_path)] == [True]
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert [(said.running, said.state.partitions) for said in said_before(tmp_path)] == [(False, [PARKED])]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"partitions": 3}', b"\xff"])
def test_what_is_no_state_is_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.json").write_bytes(content)
    assert said_before(tmp_path) == []


def test_a_host_without_a_place_for_it_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with structlog.testing.capture_logs() as logs:
        file = StateFile(tmp_path / "file" / "under")
        file.show(engine(PARKED))
        file.close()
    (line,) = logs
    assert "XDG_STATE_HOME" in line["hint"]
    assert said_before(tmp_path / "file" / "under") == []


def test_each_pipeline_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folders = {state_folder(*names) for names in [("a", "b", "c"), ("a", "b", "d"), ("a", "bc", ""), ("x", "b", "c")]}
    assert len(folders) == 4
    assert {folder.parent for folder in folders} == {tmp_path / "streamlake"}


def test_an_engine_knows_how_many_others_live_on_this_host(tmp_path: Path) -> None:
    first, second = StateFile(tmp_path), StateFile(tmp_path)
    assert (first.others, second.others) == ([], [os.getpid()])
    first.show(engine(PARKED))
    first.close()  # what it left behind is no engine that lives
    third = StateFile(tmp_path)
    assert third.others == [os.getpid()]
    second.close()
    third.close()
