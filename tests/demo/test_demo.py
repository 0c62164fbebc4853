"""The demo: its stories with fewer orders, and what it does when a count is off or somebody interrupts it."""

import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from support.demo import COMMAND, loses_a_file, processes_of, told
from support.processes import started
from support.report import loads_nothing, sections
from support.shared import SharedKafka
from support.waiting import wait_until

from streamlake.engine.errors import LocalError
from streamlake.engine.kafka.probe import wait_until_ready
from streamlake.engine.local.demo.bucket import kept_bucket
from streamlake.engine.local.demo.kafka import kept_kafka
from streamlake.engine.local.demo.kept import emptied
from streamlake.engine.local.demo.lake import Bucket
from streamlake.engine.local.demo.screen import Screen
from streamlake.engine.local.demo.settings import REPORT, STORIES, Settings
from streamlake.engine.local.demo.tell import tell
from streamlake.engine.local.orders import orders

PARTS = (
    "The account",
    "Counted at each hop",
    "Lag and throughput, as the engine's /status said them",
    "Timeline",
    "Some of what landed",
    "Some of what was refused",
    "In full",
)


@pytest.mark.usefixtures("kafka_parts")
def test_all_stories_are_told_to_their_end_and_every_count_agrees(clone: Path) -> None:
    said = told(clone, DEMO_RECORDS="4000")
    assert "HTTP: 5 posted = 3 stored + 2 refused" in said
    assert "4,003 in Kafka = 3,986 landed + 16 refused + 1 skipped" in said
    assert re.search(r"\n    raw/ +\d\d files +(?!0\.00)\d+\.\d\d MB ", said), "listed, with their sizes"
    assert "\n      raw/streamlake.order.raw/ingestion_date=" in said, "two of them by name"

    assert said.count("its new worker goes on where the ledger ends") == 2
    assert "its 4 workers are gone, too" in said
    assert "the broker was stopped and started again in the middle of the load" in said
    assert said.count("$ kill -9 ") == 3, "workers, supervisor, replay"

    assert "104 refused at first = 4 broken + 100 in the new currency" in said
    assert "nothing of the 6,000 of the sale was landed or refused then" in said
    assert "100 dead letters were sent back, 4 would be refused again and stay" in said

    assert "refused at first = 16 broken + 621 in the unknown currency" in said
    assert "nothing to do: run mended has finished before" in said
    assert "mended is promoted: live-2 is the live run" in said
    assert said.count("nothing is missing, nothing is twice") == len(STORIES)

    page = (clone / REPORT).read_text()
    assert loads_nothing(page) == []
    assert list(sections(page)) == list(STORIES)
    for story, parts in sections(page).items():
        assert tuple(parts) == PARTS, story
        assert all(parts.values()), f"an empty panel in {story}"
    assert "kill -9: supervisor" in page
    assert "counts agree" in page


@pytest.mark.usefixtures("kafka_parts", "gcs_parts")
def test_the_story_of_a_bucket_is_the_same_and_it_can_be_reached_afterwards_as_is_said(clone: Path) -> None:
    said = told(clone, DEMO_RECORDS="4000", SINK="gs", STORY="landing")
    assert "4,003 in Kafka = 3,986 landed + 16 refused + 1 skipped" in said
    assert "gs://streamlake/lake/landing" in said
    assert not (clone / ".demo" / "lake").exists(), "nothing landed in a folder"
    tools = Path(sys.executable).parent
    lines = [line.removeprefix("  $ ") for line in said.partition("Try:")[2].splitlines() if line.startswith("  $ ")]
    server, *commands = (line.replace(".venv/bin", str(tools)) for line in lines)
    with started(server.split()) as gcs:
        assert gcs.stdout is not None
        assert any("export STORAGE_EMULATOR_HOST" in line for line in gcs.stdout)
        done = subprocess.run(
            ["bash", "-euc", "\n".join(commands)], capture_output=True, text=True, timeout=120, check=False
        )
        gcs.send_signal(signal.SIGTERM)
        assert gcs.wait(60) == 0
    assert done.returncode == 0, done.stderr
    assert "proven: 4,003 offsets" in done.stdout


@pytest.mark.usefixtures("kafka_parts")
def test_what_is_kept_takes_orders_and_lands_them_until_the_next_demo(clone: Path) -> None:
    done = subprocess.run(
        COMMAND,
        env={**os.environ, "DEMO_RECORDS": "2000", "STORY": "landing", "KEEP": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *_, url = re.findall(r"curl -X POST (http://\S+)", done.stdout)
    (engine,) = re.findall(r"top --url (http://\S+)", done.stdout)
    ((_, order),) = next(orders(1))
    with urlopen(Request(url, order, {"content-type": "application/json"}), timeout=30) as answer:
        assert answer.status == 202
    wait_until(lambda: landed_by(engine) == 1, "the posted order has landed", 30)
    with emptied(clone / ".demo"):
        assert list(processes_of(clone)) == []


@pytest.mark.parametrize("sink", ["file", "gs"])
def test_a_lost_file_is_seen_by_the_reader_and_by_the_proof(
    clone: Path, kafka: SharedKafka, sink: str, request: pytest.FixtureRequest
) -> None:
    raw, options = str(clone / ".demo/lake/landing/raw"), {}
    if sink == "gs":
        request.getfixturevalue("gcs_parts")
        raw, options = "streamlake/lake/landing/raw", {"token": "anon"}
    loser = loses_a_file(clone, "run", sink=sink, options=options, raw=raw)
    settings = Settings(
        records=2000,
        keep=False,
        servers=kafka.bootstrap_servers,
        folder=clone / ".demo",
        streamlake=loser,
        sink=sink,
        stories=("landing",),
    )
    out = io.StringIO()
    assert not tell(settings, Screen(out))
    wrong = [line for line in out.getvalue().splitlines() if line.startswith("  WRONG")]
    assert len(wrong) == 2, out.getvalue()
    assert "rows read back" in wrong[0]
    assert "streamlake prove" in wrong[1]


def test_a_kafka_of_others_is_not_restarted_and_what_is_lost_after_failures_is_seen(
    clone: Path, kafka: SharedKafka
) -> None:
    raw = str(clone / ".demo/lake/failures/raw")
    settings = Settings(
        records=2000,
        keep=False,
        servers=kafka.bootstrap_servers,
        folder=clone / ".demo",
        streamlake=loses_a_file(clone, "offsets", "show", sink="file", options={}, raw=raw),
        stories=("failures",),
    )
    out = io.StringIO()
    assert not tell(settings, Screen(out))
    said = out.getvalue()
    assert "No restart of the broker: this Kafka is not ours" in said
    assert "the broker was stopped" not in said
    wrong = [line for line in said.splitlines() if line.startswith("  WRONG")]
    assert len(wrong) == 2, said
    assert "rows read back" in wrong[0]
    assert "streamlake prove" in wrong[1]
    assert "2 of 10 counts are off" in (clone / REPORT).read_text()


def test_a_story_that_breaks_off_is_reported_up_to_there(clone: Path, kafka: SharedKafka) -> None:
    loser = loses_a_file(clone, "run", sink="file", options={}, raw=str(clone / "nothing"))
    settings = Settings(
        records=2000,
        keep=False,
        servers=kafka.bootstrap_servers,
        folder=clone / ".demo",
        streamlake=loser,
        stories=("dead-letters",),
    )
    with pytest.raises(LocalError, match=r"streamlake run .* failed with exit code 1: the demo stops here"):
        tell(settings, Screen(io.StringIO()))
    page = (clone / REPORT).read_text()
    assert "It broke off before its end" in page
    assert "failed with exit code 1: the demo stops here" in page


@pytest.mark.usefixtures("kafka_parts", "gcs_parts")
def test_an_interrupt_stops_the_servers_and_leaves_no_process(clone: Path) -> None:
    environment = {**os.environ, "SINK": "gs"}
    with started(COMMAND, env=environment, stderr=subprocess.PIPE) as demo:
        assert demo.stdout is not None
        assert any("export STORAGE_EMULATOR_HOST" in line for line in demo.stdout)
        running = " ".join(part for process in processes_of(clone) for part in process.info["cmdline"])
        assert "kafka.Kafka" in running
        assert "fake-gcs-server" in running
        demo.send_signal(signal.SIGINT)
        _, said = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert "Kafka is stopped" in said
    assert "Traceback" not in said
    assert list(processes_of(clone)) == []


@pytest.mark.usefixtures("kafka_parts")
def test_a_kafka_that_is_kept_can_be_restarted_and_runs_on_until_the_next_demo(clone: Path) -> None:
    folder, screen = clone / ".demo", Screen(io.StringIO())
    with emptied(folder), kept_kafka(folder, Settings.read({}).streamlake, screen) as cluster:
        before = set(processes_of(clone))
        assert cluster.restart is not None
        cluster.restart()
    wait_until_ready(cluster.servers, 1, 30)
    assert not before & set(processes_of(clone)), "it is another process, at the same address"
    with emptied(folder):
        assert list(processes_of(clone)) == []
        assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("gcs_parts")
def test_a_bucket_that_is_kept_is_there_until_the_next_demo(clone: Path) -> None:
    folder, out = clone / ".demo", io.StringIO()
    with emptied(folder), kept_bucket(folder, Settings.read({}).streamlake, Screen(io.StringIO())) as bucket:
        pass
    assert is_there(bucket)
    bucket.say_how_to_reach_it(Screen(out))
    assert f"export STORAGE_EMULATOR_HOST={bucket.endpoint}" in out.getvalue()
    assert "local gcs" not in out.getvalue(), "nothing has to be started"
    with emptied(folder):
        assert list(processes_of(clone)) == []
        assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("gcs_parts")
def test_an_interrupt_stops_what_was_to_be_kept(clone: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(clone / ".demo")
    assert list(processes_of(clone)) == []


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        emptied(tmp_path / ".demo"),
        pytest.raises(LocalError, match="another demo runs"),
        emptied(tmp_path / ".demo"),
    ):
        pytest.fail("both hold it")


@pytest.mark.parametrize("text", ["many", "-5", "1999"])
def test_a_number_of_records_that_can_not_be_is_refused_with_its_value(text: str) -> None:
    with pytest.raises(LocalError, match=f"DEMO_RECORDS={text}"):
        Settings.read({"DEMO_RECORDS": text})


def test_a_story_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(LocalError, match="STORY=happy: must be one of landing, failures, dead-letters, replay"):
        Settings.read({"STORY": "happy"})


def test_all_stories_are_told_where_none_is_named() -> None:
    assert Settings.read({}).stories == STORIES
    assert Settings.read({"STORY": "replay"}).stories == ("replay",)


def test_a_sink_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(LocalError, match="SINK=s3: must be one of file, gs"):
        Settings.read({"SINK": "s3"})


def interrupted(folder: Path) -> None:
    """A demo whose bucket is to be kept, and that is interrupted when it is there."""
    with emptied(folder), kept_bucket(folder, Settings.read({}).streamlake, Screen(io.StringIO())) as bucket:
        assert is_there(bucket)
        raise KeyboardInterrupt


def is_there(bucket: Bucket) -> bool:
    """Whether its server answers that it has it."""
    connection = http.client.HTTPConnection(bucket.endpoint.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", "/storage/v1/b/streamlake")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def landed_by(engine: str) -> int:
    """How many rows a running engine says that it has landed."""
    with urlopen(f"{engine}/status", timeout=30) as answer:
        return sum(one["landed"] for one in json.load(answer)["partitions"])
