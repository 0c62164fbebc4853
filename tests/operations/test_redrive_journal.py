"""What a redrive knows of itself: its plan, its name and terms, and what was in doubt when it died or was overtaken."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.lake import Lake
from support.redrives import ALL, TARGETS, MemorySender, send, seven_letters

from streamlake.config.load import load_pipeline
from streamlake.config.model import PipelineConfig
from streamlake.engine.errors import FencedError, LedgerDamagedError, UsageError
from streamlake.engine.operations.dead_types import LetterFilter
from streamlake.engine.operations.redrive import plan_redrive, redrive
from streamlake.engine.operations.redrive_types import RedriveRequest
from streamlake.engine.records import OffsetRange


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return seven_letters(tmp_path / "lake")


@pytest.fixture
def config(pipeline: str) -> PipelineConfig:
    return load_pipeline(Path(pipeline))


@pytest.fixture
def sender() -> MemorySender:
    return MemorySender(TARGETS)


def test_a_plan_says_what_would_be_sent_and_writes_nothing(
    lake: Lake, config: PipelineConfig, sender: MemorySender
) -> None:
    before = sorted(lake.root.rglob("*"))
    request = RedriveRequest(wanted=LetterFilter(reason="invalid"), max_attempts=3)
    plan = plan_redrive(config, lake.sink, sender, request)
    assert (plan.begun, plan.finished, plan.letters, plan.sending, plan.in_doubt) == (False, False, 6, {"orders": 6}, 0)
    assert (sorted(lake.root.rglob("*")), sender.sent) == (before, [])
    assert redrive(config, lake.sink, sender, request).sent == 6


def test_a_redrive_with_nothing_to_send_writes_nothing(
    lake: Lake, config: PipelineConfig, sender: MemorySender
) -> None:
    assert send(lake, config, sender, name="empty", wanted=LetterFilter(reason="crash")).state == "nothing"
    assert not (lake.root / "_redrives").exists()


def test_a_name_is_not_used_for_something_else(lake: Lake, config: PipelineConfig, sender: MemorySender) -> None:
    send(lake, config, sender, name="monday", wanted=LetterFilter(partition=1))
    with pytest.raises(UsageError, match=r"monday is there with other options \(partition was 1, and is not given; to"):
        send(lake, config, sender, name="monday", to="repaired")
    with pytest.raises(UsageError, match=r"--name \.\./x"):
        send(lake, config, sender, name="../x")


def test_a_relative_time_is_the_same_when_it_is_said_again_and_is_not_resolved_anew(
    lake: Lake, config: PipelineConfig, sender: MemorySender
) -> None:
    sender.fails = lambda one: ("the broker is away", False) if one.place.offset == 9 else None
    asked: dict[str, Any] = {
        "wanted": LetterFilter(since=datetime.now(UTC) - timedelta(hours=2)),
        "said": {"since": "2h"},
    }
    stopped = send(lake, config, sender, **asked)
    sender.fails = lambda _: None
    asked["wanted"] = LetterFilter(since=datetime.now(UTC) + timedelta(hours=2))
    done = send(lake, config, sender, **asked)
    assert (done.name, done.state) == (stopped.name, "finished")
    assert sorted(sender.offsets()) == sorted(ALL)


# -- failures, deaths and others --------------------------------------------------------------------------------------


def test_what_kafka_does_not_take_stops_it_and_the_same_call_goes_on(
    lake: Lake, config: PipelineConfig, sender: MemorySender
) -> None:
    failures = {5: ("too large", False), 7: ("timed out", True)}
    sender.fails = lambda one: failures.get(one.place.offset)
    stopped = send(lake, config, sender)
    assert (stopped.state, stopped.sent, sender.offsets()) == ("stopped", 2, [1, 3])
    assert [(str(one.place), one.in_doubt, one.why) for one in stopped.undelivered] == [
        ("orders/0/5", False, "too large"),
        ("orders/0/7", True, "timed out"),
    ]
    sender.fails = lambda _: None
    done = send(lake, config, sender)
    assert (done.name, done.state, done.sent, done.sent_before, done.in_doubt) == (stopped.name, "finished", 5, 2, 1)
    assert (sender.offsets(), sender.marked()) == (ALL, [7])


def test_a_batch_without_an_outcome_is_sent_again_and_marked_by_whoever_sends_it(
    lake: Lake, config: PipelineConfig, sender: MemorySender
) -> None:
    def die() -> None:
        if sender.batches == [2]:
            raise KeyboardInterrupt

    sender.before = die
    with pytest.raises(KeyboardInterrupt):
        send(lake, config, sender, name="monday")
    plan = plan_redrive(config, lake.sink, sender, RedriveRequest(), name="monday")
    assert (plan.begun, plan.sending, plan.in_doubt, plan.sent_before) == (True, {"orders": 5}, 2, 2)
    sender.before = lambda: None
    other = send(lake, config, sender, name="other", wanted=LetterFilter(offsets=OffsetRange(4, 6)))
    assert (other.sent, other.in_doubt, sender.marked()) == (1, 1, [5])
    done = send(lake, config, sender, name="monday")
    assert (done.sent, done.in_doubt, done.left_out) == (4, 1, {"sent_before": 1})
    assert (sender.offsets(), sender.marked()) == ([1, 3, 5, 7, 9, 11, 0], [5, 7])


def test_of_two_that_go_on_with_one_redrive_the_slower_one_is_fenced(
    lake: Lake, config: PipelineConfig, sender: MemorySender
) -> None:
    faster = MemorySender(TARGETS)

    def overtaken() -> None:
        sender.before = lambda: None
        assert send(lake, config, faster, name="monday").state == "finished"

    sender.before = overtaken
    with pytest.raises(FencedError, match=r"redrive monday: another process goes on with it \(note 2 is not ours\)"):
        send(lake, config, sender, name="monday")
    assert sender.offsets() == [1, 3], "nothing after it was overtaken"
    assert (faster.offsets(), faster.marked()) == (ALL, [1, 3])


def test_a_note_that_was_altered_is_never_guessed_at(lake: Lake, config: PipelineConfig, sender: MemorySender) -> None:
    send(lake, config, sender, name="monday")
    for note, text in (("1", b'{"kind": "batch"}'), ("1", b"{"), ("0", b'{"kind":"begin","version":9}')):
        path = lake.root / "_redrives" / "monday" / f"{note:0>12}.json"
        whole = path.read_bytes()
        path.write_bytes(text)
        with pytest.raises(LedgerDamagedError, match=r"note 1 of the redrive monday is none|of a version"):
            send(lake, config, sender)
        path.write_bytes(whole)
