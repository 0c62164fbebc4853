"""`streamlake local kafka` as a user meets it."""

import signal
import sys
from pathlib import Path

import pytest
from support.processes import said_until, started

from streamlake.engine.errors import LocalError
from streamlake.engine.kafka.probe import wait_until_ready
from streamlake.engine.local.command import run_airflow, run_kafka

PROGRAM = "import sys; from streamlake.engine.local.command import run_kafka; sys.exit(run_kafka(1, None, None))"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_kafka_is_and_ends_in_order(number: signal.Signals, kafka_parts: None) -> None:
    with started([sys.executable, "-c", PROGRAM]) as process:
        lines = said_until(process, "Ctrl-C stops it.\n")
        address = lines[0].rpartition(" at ")[2].strip()
        folder = Path(lines[1].rpartition(" ")[2].strip()).parent.parent
        wait_until_ready(address, 1, timeout_seconds=10)
        process.send_signal(number)
        assert process.wait(60) == 0
    told = "".join(lines)
    assert f"export KAFKA_BOOTSTRAP_SERVERS={address}" in told
    assert "streamlake topics apply" in told
    assert not folder.exists()


def test_a_wrong_number_of_nodes_is_told_and_the_signals_are_as_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(LocalError, match="not 2"):
        run_kafka(2, None, None)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_folder_of_dags_that_there_is_not_is_said(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"there is no folder .*nowhere; say --dags FOLDER"):
        run_airflow(tmp_path / "nowhere")
