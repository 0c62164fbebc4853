"""The live table of `run` on a terminal: below whole log lines, of workers, too, and the terminal is left in order."""

import signal
from pathlib import Path

import pytest
from support.engine import AWAY, STREAMLAKE, pipeline_yaml, streamlake
from support.screen import Screen
from support.shared import SharedKafka
from support.topics import fill, make_topic

from streamlake.engine.local.ports import free_ports
from streamlake.engine.operations.status import ask_url

BAD = b'{"amount": '


@pytest.fixture
def topic(kafka: SharedKafka) -> str:
    return make_topic(kafka.bootstrap_servers)


@pytest.fixture
def pipeline(tmp_path: Path, topic: str, kafka: SharedKafka) -> Path:
    fill(kafka.bootstrap_servers, topic, [b'{"id": 1}'] * 40 + [BAD])
    return pipeline_yaml(
        tmp_path, kafka.bootstrap_servers, topic, dead_letters={"topic": {"name": make_topic(kafka.bootstrap_servers)}}
    )


def test_a_bounded_run_ends_with_the_table_below_its_log(pipeline: Path, topic: str) -> None:
    with Screen([STREAMLAKE, "run", str(pipeline), "--until-end"], 120, 40) as screen:
        assert screen.end(60) == 0, screen.text
        text = screen.text
    assert "committed" in text
    assert "40 landed, 1 refused" in text
    assert "100%" in text
    assert "orders live-1: 1 done" in text
    assert [line.split()[1] for line in screen.lines if line.startswith(f"{topic}/0")] == ["done", "refuses"]
    assert text.index("committed") < text.index("orders live-1:")
    assert b"\x1b[?1049h" not in screen.raw, "it is no full screen: the log stays"


def test_a_workers_own_lines_stand_whole_above_the_table(tmp_path: Path, topic: str, kafka: SharedKafka) -> None:
    fill(kafka.bootstrap_servers, topic, [b"{}"] * 3)
    (tmp_path / "loud.py").write_text(LOUD)
    pipeline = pipeline_yaml(
        tmp_path, kafka.bootstrap_servers, topic, python_path=["."], validator={"type": "loud:Loud"}
    )
    with Screen([STREAMLAKE, "run", str(pipeline)], 120, 40) as screen:
        screen.wait_for(lambda text: "committed" in text and "orders live-1: 1 " in text, 60)
        assert "one line of a worker's\n" in screen.text, "with nothing else in that line"
        screen.process.send_signal(signal.SIGTERM)
        assert screen.end(60) == 0
        assert screen.text.count("orders live-1") == 1, "no leftover of the table"
        assert screen.text.index("one line of a worker's") < screen.text.index("orders live-1, draining: 1 done")
        assert screen.modes == screen.modes_before


LOUD = '''
import os
from streamlake.engine.records import Verdict
from streamlake.plugins.validators.none import NoneValidator

class Loud(NoneValidator):
    """Writes to the terminal by itself, as a library might."""

    def validate(self, batch):
        os.write(2, b"one line of a worker's\\n")
        return super().validate(batch)
'''


def test_what_is_wrong_before_the_first_table_is_said(pipeline: Path) -> None:
    with Screen([STREAMLAKE, "run", str(pipeline), "--set", "kafka.properties.no.such=1"], 120) as screen:
        assert screen.end() == 78
        assert "no.such" in screen.text


@pytest.mark.parametrize(
    ("bounded", "number", "code"),
    [((), signal.SIGINT, 130), ((), signal.SIGTERM, 0), (("--until-end",), signal.SIGTERM, 0)],
    ids=["Ctrl-C", "SIGTERM", "SIGTERM to a bounded run"],
)
def test_a_start_without_a_broker_waits_says_why_listens_and_leaves_when_asked(
    tmp_path: Path, bounded: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    pipeline = pipeline_yaml(tmp_path, AWAY, "orders", metrics={"listen": listen})
    with Screen([STREAMLAKE, "run", str(pipeline), *bounded], 160, 40) as screen:
        text = screen.wait_for("orders: waiting for the broker\n")
        assert "the broker does not answer" in text
        assert "Connection refused" in text
        assert "SL0337" in text
        state = ask_url(f"http://{listen}", 5)
        assert (state.run, state.partitions) == ("", [])
        (reason,) = state.not_ready_because()
        assert reason.startswith(f"waiting for the broker since {state.broker_since}: ")
        screen.process.send_signal(number)
        assert screen.end(60) == code
        assert "all that was there has landed" not in screen.text
        assert screen.modes == screen.modes_before
    assert not (tmp_path / "lake" / "_runs").exists(), "nothing was begun"


def test_what_a_batch_holds_that_stays_open_is_in_the_table(pipeline: Path) -> None:
    with Screen([STREAMLAKE, "run", str(pipeline), "--set", "batch.seconds_max=60"], 120, 40) as screen:
        text = screen.wait_for("41 held, file closes in ")
        assert "orders live-1: 1 reading" in text
        screen.process.send_signal(signal.SIGTERM)
        assert screen.end(60) == 0
        assert " held" not in screen.text


def test_json_logs_have_no_table_and_a_pipe_neither(pipeline: Path) -> None:
    with Screen([STREAMLAKE, "run", str(pipeline), "--until-end", "--log-format", "json"], 400) as screen:
        assert screen.end(60) == 0
        assert "orders live-1:" not in screen.text
    assert "orders live-1:" not in streamlake("run", str(pipeline), "--until-end", "--log-format", "text").stderr
