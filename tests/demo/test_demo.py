"""The demo: its whole story with fewer orders, and what it does when a count is off or somebody interrupts it."""

import io
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
from streamlake.engine.local.demo_kafka import emptied, kept_kafka
from streamlake.engine.local.demo_run import Landing
from streamlake.engine.local.demo_screen import Screen

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "streamlake.engine.local.demo"]

LOSES_A_FILE = """\
import subprocess, sys
from pathlib import Path
code = subprocess.call([{streamlake!r}, *sys.argv[1:]])
if sys.argv[1] == "run":
    next(Path({raw!r}).rglob("*.parquet")).unlink()
sys.exit(code)
"""
"""A `streamlake` after whose `run` one of the landed files is gone."""


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a clone to the demo, and is the current one."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.delenv("KEEP", raising=False)
    return tmp_path


@pytest.mark.usefixtures("kafka_parts")
def test_the_story_is_told_to_its_end_and_every_count_agrees(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_RECORDS", "20000")
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20,000 produced = 19,916 landed + 80 refused + 4 skipped" in done.stdout
    assert "kill -9" in done.stdout
    assert "was killed in the middle of its work" in done.stdout
    assert "nothing is missing, nothing is twice" in done.stdout
    assert "WRONG" not in done.stdout
    assert "\x1b" not in done.stdout, "a pipe gets plain text"
    assert set(clone.iterdir()) == {clone / "config", clone / ".demo"}
    assert list(processes_of(clone)) == []


def test_a_lost_file_is_seen_by_the_reader_and_by_the_proof(clone: Path, kafka: SharedKafka) -> None:
    streamlake = str(Path(sys.executable).with_name("streamlake"))
    (clone / "loses.py").write_text(LOSES_A_FILE.format(streamlake=streamlake, raw=str(clone / ".demo/lake/raw")))
    settings = Settings(
        records=2000,
        keep=False,
        servers=kafka.bootstrap_servers,
        folder=clone / ".demo",
        streamlake=[sys.executable, str(clone / "loses.py")],
    )
    out = io.StringIO()
    assert not tell(settings, Screen(out))
    wrong = [line for line in out.getvalue().splitlines() if line.startswith("  WRONG")]
    assert len(wrong) == 2, out.getvalue()
    assert "rows read back" in wrong[0]
    assert "streamlake prove" in wrong[1]


@pytest.mark.usefixtures("kafka_parts")
def test_an_interrupt_stops_kafka_and_leaves_no_process(clone: Path) -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert any("export KAFKA_BOOTSTRAP_SERVERS" in line for line in demo.stdout)
        assert len(list(processes_of(clone))) > 0, "Kafka runs"
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


def processes_of(clone: Path) -> Iterator[psutil.Process]:
    """Running processes that have the clone's `.demo` on their command line, or work in it."""
    for process in psutil.process_iter(["cmdline"]):
        if any(str(clone / ".demo") in part for part in process.info["cmdline"] or ()):
            yield process
