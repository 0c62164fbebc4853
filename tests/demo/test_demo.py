"""The demo: its whole story with fewer orders, and what it does when a count is off or somebody interrupts it."""

import http.client
import io
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from support.shared import SharedKafka

from streamlake.engine.errors import LocalError
from streamlake.engine.kafka.probe import wait_until_ready
from streamlake.engine.local.demo import Settings, tell
from streamlake.engine.local.demo_account import Seen, account
from streamlake.engine.local.demo_counts import Generated, Ledger, Letters
from streamlake.engine.local.demo_gcs import kept_bucket
from streamlake.engine.local.demo_kafka import kept_kafka
from streamlake.engine.local.demo_kept import emptied
from streamlake.engine.local.demo_lake import Bucket
from streamlake.engine.local.demo_run import Landing
from streamlake.engine.local.demo_screen import Screen

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "streamlake.engine.local.demo"]

LOSES_A_FILE = """\
import subprocess, sys
import fsspec
code = subprocess.call([{streamlake!r}, *sys.argv[1:]])
if sys.argv[1] == "run":
    lake = fsspec.filesystem({sink!r}, **{options!r})
    lake.rm(lake.find({raw!r})[0])
sys.exit(code)
"""
"""A `streamlake` after whose `run` one of the landed files is gone."""


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that looks like a clone to the demo, and is the current one. No server that was kept outlives it."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    monkeypatch.chdir(tmp_path)
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "KEEP", "SINK"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    with emptied(tmp_path / ".demo"):
        pass


@pytest.mark.usefixtures("kafka_parts")
def test_the_story_is_told_to_its_end_and_every_count_agrees(clone: Path) -> None:
    said = story_of(clone, DEMO_RECORDS="20000")
    assert "20,000 produced = 19,916 landed + 80 refused + 4 skipped" in said


@pytest.mark.usefixtures("kafka_parts", "gcs_parts")
def test_the_story_of_a_bucket_is_the_same_and_it_can_be_reached_afterwards_as_is_said(clone: Path) -> None:
    said = story_of(clone, DEMO_RECORDS="4000", SINK="gs")
    assert "4,000 produced = 3,983 landed + 16 refused + 1 skipped" in said
    assert "$ export STREAMLAKE_ROOT=gs://streamlake/lake" in said
    assert not (clone / ".demo" / "lake").exists(), "nothing landed in a folder"
    tools = Path(sys.executable).parent
    told = [line.removeprefix("  $ ") for line in said.partition("Try:")[2].splitlines() if line.startswith("  $ ")]
    server, *commands = (line.replace(".venv/bin", str(tools)) for line in told)
    with subprocess.Popen(server.split(), stdout=subprocess.PIPE, text=True) as gcs:
        assert gcs.stdout is not None
        assert any("export STORAGE_EMULATOR_HOST" in line for line in gcs.stdout)
        done = subprocess.run(
            ["bash", "-euc", "\n".join(commands)], capture_output=True, text=True, timeout=120, check=False
        )
        gcs.send_signal(signal.SIGTERM)
    assert done.returncode == 0, done.stderr
    assert "proven: 4,003 offsets" in done.stdout, "three came over HTTP"


@pytest.mark.parametrize("sink", ["file", "gs"])
def test_a_lost_file_is_seen_by_the_reader_and_by_the_proof(
    clone: Path, kafka: SharedKafka, sink: str, request: pytest.FixtureRequest
) -> None:
    raw, options = str(clone / ".demo/lake/raw"), {}
    if sink == "gs":
        request.getfixturevalue("gcs_parts")
        raw, options = "streamlake/lake/raw", {"token": "anon"}
    streamlake = str(Path(sys.executable).with_name("streamlake"))
    code = LOSES_A_FILE.format(streamlake=streamlake, sink=sink, options=options, raw=raw)
    (clone / "loses.py").write_text(code)
    settings = Settings(
        records=2000,
        keep=False,
        servers=kafka.bootstrap_servers,
        folder=clone / ".demo",
        streamlake=[sys.executable, str(clone / "loses.py")],
        sink=sink,
    )
    out = io.StringIO()
    assert not tell(settings, Screen(out))
    wrong = [line for line in out.getvalue().splitlines() if line.startswith("  WRONG")]
    assert len(wrong) == 2, out.getvalue()
    assert "rows read back" in wrong[0]
    assert "streamlake prove" in wrong[1]


@pytest.mark.usefixtures("kafka_parts", "gcs_parts")
def test_an_interrupt_stops_the_servers_and_leaves_no_process(clone: Path) -> None:
    environment = {**os.environ, "SINK": "gs"}
    with subprocess.Popen(COMMAND, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
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
def test_a_kafka_that_is_kept_runs_on_until_the_next_demo(clone: Path) -> None:
    folder, screen = clone / ".demo", Screen(io.StringIO())
    with emptied(folder), kept_kafka(folder, Settings.read({}).streamlake, screen) as address:
        pass
    wait_until_ready(address, 1, 30)
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


def test_a_sink_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(LocalError, match="SINK=s3: must be one of file, gs"):
        Settings.read({"SINK": "s3"})


MADE = Generated.of(10_000, 0.004, 0.0002)
LETTERS = Letters(Counter(MADE.by_reason), 40, "")
SEEN = Seen(
    landing=Landing(0, 10_000, Counter({"orders/1": 5}), "orders/1", 2),
    rows=[(0, 5000, 5000, 0, 5010), (1, 4958, 4958, 0, 4990)],
    in_files=LETTERS,
    in_topic=replace(LETTERS, copies=43),  # copies come at least once
    ledger=Ledger(9958, 40, 2),
    proven=True,
)


def test_counts_that_agree_are_told_as_such() -> None:
    assert all(holds for _, holds in account(MADE, SEEN))


ONE_MORE = Counter(MADE.by_reason) + Counter(invalid=1)


@pytest.mark.parametrize(
    ("off", "sentence"),
    [
        (replace(SEEN, ledger=Ledger(9957, 40, 2)), "produced ="),
        (replace(SEEN, ledger=Ledger(9957, 41, 2)), "made broken"),
        (replace(SEEN, ledger=Ledger(9957, 40, 3)), "tombstones"),
        (replace(SEEN, in_files=replace(LETTERS, by_reason=ONE_MORE)), "as made, so refused"),
        (replace(SEEN, in_files=replace(LETTERS, copies=41)), "dead letters in files"),
        (replace(SEEN, in_topic=replace(LETTERS, by_reason=ONE_MORE)), "in the topic"),
        (replace(SEEN, rows=SEEN.rows[:1]), "rows read back"),
        (replace(SEEN, rows=[(0, 9958, 9957, 0, 9990)]), "different offsets"),
        (replace(SEEN, landing=replace(SEEN.landing, commits_before=5)), "in the middle"),
        (replace(SEEN, landing=replace(SEEN.landing, commits_before=0)), "in the middle"),
        (replace(SEEN, landing=Landing(0, 10_000, Counter({"orders/1": 5}))), "in the middle"),
        (replace(SEEN, landing=replace(SEEN.landing, exit_code=1)), "exit code 0"),
        (replace(SEEN, proven=False), "prove"),
    ],
)
def test_a_count_that_is_off_is_told_where(off: Seen, sentence: str) -> None:
    assert [True for told, holds in account(MADE, off) if sentence in told and not holds] == [True]


def story_of(clone: Path, **settings: str) -> str:
    """What a demo said that has told its story to the end, with every count in agreement and nothing left running."""
    environment = {**os.environ, **settings}
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "kill -9" in done.stdout
    assert "was killed in the middle of its work" in done.stdout
    assert "nothing is missing, nothing is twice" in done.stdout
    assert "HTTP: 5 posted = 3 stored + 2 refused" in done.stdout
    assert "WRONG" not in done.stdout
    assert re.search(r"\n    raw/ +\d\d files +(?!0\.00)\d+\.\d\d MB ", done.stdout), "listed, with their sizes"
    assert "\n      raw/streamlake.order.raw/ingestion_date=" in done.stdout, "two of them by name"
    assert "\x1b" not in done.stdout, "a pipe gets plain text"
    assert set(clone.iterdir()) == {clone / "config", clone / ".demo"}
    assert list(processes_of(clone)) == []
    return done.stdout


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


def processes_of(clone: Path) -> Iterator[psutil.Process]:
    """Running processes that have the clone's `.demo` on their command line, or work in it."""
    for process in psutil.process_iter(["cmdline"]):
        if any(str(clone / ".demo") in part for part in process.info["cmdline"] or ()):
            yield process
