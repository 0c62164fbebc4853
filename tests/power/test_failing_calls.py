"""Each call to the disk fails, one after the other: nothing is lost, and the next writer finishes what was begun."""

import errno
import os
import random
from pathlib import Path

import pytest
from power.disk import Recorder, recording
from power.verdict import Told
from power.writing import Topic, check, write
from structlog.testing import capture_logs

from streamlake.plugins.sinks.file.backends import room

TOPIC = Topic(end=9, holes=frozenset({3}), refused=frozenset({1, 5}), skipped=frozenset({7}))
SEED = 4
"""With it, a writer lands the topic in several batches."""


def told_by(recorder: Recorder) -> Told:
    """What the writers so far told somebody outside."""
    marks = [operation[1:] for operation in recorder.log if operation[0] == "mark"]
    entries = {mark[1]: mark[2] for mark in marks if mark[0] == "reported"}
    return Told(entries, {mark[1] for mark in marks if mark[0] == "sent"})


def calls_of_a_whole_run(folder: Path) -> list[str]:
    """What one writer that nothing happens to asks of the disk, in order."""
    root = folder / "whole"
    root.mkdir()
    with recording() as recorder:
        recorder.log = []
        assert write(root, TOPIC, random.Random(SEED), recorder, None) == "finished"
    return list(recorder.kinds)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.get)
@pytest.mark.parametrize("twice", [False, True], ids=["once", "and the next writer's same call, too"])
def test_whichever_call_fails_the_writer_ends_with_its_words_and_the_next_one_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, twice: bool
) -> None:
    waits: list[str | None] = []
    monkeypatch.setattr(room, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(room.Room, "_words", lambda _, error: waits.append(error.strerror))
    calls = calls_of_a_whole_run(tmp_path)
    assert {"create", "write", "fsync", "link", "mkdir", "unlink"} <= set(calls)
    assert len(calls) > 100
    failed = 0
    for at in range(1, len(calls) + 1):
        root = tmp_path / str(at)
        root.mkdir()
        with recording() as recorder:
            recorder.log = []
            for _ in range(2 if twice else 1):
                waits.clear()
                with capture_logs() as logs:
                    end = write(root, TOPIC, random.Random(SEED), recorder, None, {at: number})
                # Old entries that can't be folded are said, and stop nobody; room is waited for, but for no sync.
                failed += end != "finished" or bool(waits) or any(os.strerror(number) in said["why"] for said in logs)
                if number == errno.ENOSPC and recorder.kinds[at - 1 : at] == ["fsync"]:
                    assert waits == [], f"call {at}: a sync that failed was tried again"
                assert end == "finished" or os.strerror(number) in end, f"call {at} ({calls[at - 1]}): {end}"
            assert write(root, TOPIC, random.Random(SEED), recorder, None) == "finished"
            check(root, TOPIC, told_by(recorder))
    assert failed >= len(calls) - 5, "a call whose failure nobody notices need not be made"
