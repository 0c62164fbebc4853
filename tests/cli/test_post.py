"""`streamlake post` as a user calls it: its lines, its exit codes, and where the API key never is."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.engine import STREAMLAKE
from support.scripted_edge import HELD, Asked, Said, ScriptedEdge, problem, results

KEY = "key-of-the-tests-only"
WAIT_SECONDS = 60


@pytest.fixture
def orders(tmp_path: Path) -> str:
    """Four records in a file with a blank line."""
    path = tmp_path / "orders.ndjson"
    path.write_bytes(b'{"id": 0}\n{"id": 1}\r\n\n{"id": 2}\n{"id": 3}')
    return str(path)


def post(*arguments: str, key: str | None = None, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "STREAMLAKE_API_KEY"}
    if key is not None:
        env["STREAMLAKE_API_KEY"] = key
    done = subprocess.run(
        [STREAMLAKE, "post", *arguments], input=stdin, capture_output=True, env=env, timeout=WAIT_SECONDS, check=False
    )
    found = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in found.stderr
    assert KEY not in found.stdout + found.stderr
    return found


def test_all_stored_is_one_line_and_0(orders: str) -> None:
    with ScriptedEdge() as edge:
        done = post(orders, "--url", edge.url, "--batch", "3", "--gzip")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"4 of 4 records stored by {edge.url} in ")
    assert edge.lines == [[b'{"id": 0}', b'{"id": 1}', b'{"id": 2}'], [b'{"id": 3}']]


def test_standard_input_is_a_file_too_and_none_is_all_of_nothing() -> None:
    with ScriptedEdge() as edge:
        assert post("-", "--url", edge.url, stdin=b"1\n2\n").stdout.startswith("2 of 2 records")
        assert edge.lines == [[b"1", b"2"]]
        assert post("-", "--url", edge.url).returncode == 0


def test_what_was_not_stored_is_told_by_reason_and_ends_with_1(orders: str) -> None:
    script = [results(["refused", "unknown"]), results(["stored"]), results(["stored", "refused"])]
    with ScriptedEdge(*script) as edge:
        done = post(orders, "--url", edge.url, "--batch", "2", "--retry-unknown", "--show-refused", "5")
    assert done.returncode == 1
    assert done.stdout.startswith("2 of 4 records stored")
    assert done.stderr.splitlines() == [
        "2 refused: schema",
        "1 sent again, though they may have been stored: look for them twice",
        "line 1: schema, /amount: must be a number",
        "line 5: schema, /amount: must be a number",
    ]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (results(["stored", "stored", "stored", "unknown"]), "1 unknown: the edge does not know"),
        (problem(503, "Too much is waiting"), "4 failed: 503 Too much is waiting"),
    ],
)
def test_what_is_unknown_and_what_failed_end_with_1(said: Said, line: str, orders: str) -> None:
    with ScriptedEdge(said) as edge:
        done = post(orders, "--url", edge.url, "--retry-seconds", "0")
    assert done.returncode == 1
    assert done.stderr.startswith(line)


def test_a_program_gets_json(orders: str) -> None:
    with ScriptedEdge(results(["stored", "refused", "refused", "unknown"])) as edge:
        done = post(orders, "--url", edge.url, "--json", "--show-refused", "1")
    document = json.loads(done.stdout)
    assert document.pop("seconds") > 0
    assert document == {
        "sent": 4,
        "stored": 1,
        "refused": 2,
        "unknown": 1,
        "failed": 0,
        "repeated": 0,
        "retried": 0,
        "reasons": {"refused": {"schema": 2}, "unknown": {"the edge does not know whether Kafka has them": 1}},
        "refused_records": [{"index": 1, "reason": "schema", "field": "/amount", "message": "must be a number"}],
    }
    assert done.returncode == 1


def test_the_key_comes_from_the_environment_or_from_a_file(orders: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    with ScriptedEdge() as edge:
        assert post(orders, "--url", edge.url, key=KEY).returncode == 0
        assert post(orders, "--url", edge.url, "--key-file", str(file), key="another").returncode == 0
        assert post(orders, "--url", edge.url).returncode == 0
    assert [asked.head.header("authorization") for asked in edge.asked] == [f"Bearer {KEY}", f"Bearer {KEY}", ""]


def test_a_key_that_is_none_is_not_shown(orders: str) -> None:
    done = post(orders, "--url", "http://127.0.0.1:1/", key=f"{KEY}\n{KEY}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("the API key is empty or has characters")


def test_the_key_is_no_option(orders: str) -> None:
    done = post(orders, "--url", "http://127.0.0.1:1/", "--key", "x")
    assert done.returncode == 2
    assert "No such option" in done.stderr


def test_a_wrong_key_ends_it_with_the_answers_words_and_what_was_sent(orders: str) -> None:
    refusing = problem(401, "An API key is needed", "none was sent")
    with ScriptedEdge(results(["stored"] * 2), refusing) as edge:
        done = post(orders, "--url", edge.url, "--batch", "2")
    assert done.returncode == 1
    assert done.stdout.startswith("2 of 4 records stored")
    assert done.stderr.splitlines()[-1] == (
        f"{edge.url} takes nothing from line 4 on: 401 An API key is needed: none was sent; "
        "give the API key by STREAMLAKE_API_KEY or --key-file [SL0801]"
    )


def test_ctrl_c_tells_what_became_of_those_sent_so_far(orders: str) -> None:
    asked_twice = threading.Event()

    def held(_: Asked) -> Said:
        asked_twice.set()
        return HELD

    with ScriptedEdge(results(["stored"]), held) as edge:
        arguments = [STREAMLAKE, "post", orders, "--url", edge.url, "--batch", "1"]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert asked_twice.wait(WAIT_SECONDS)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130
    assert said.startswith("1 of 2 records stored")
    assert errors.splitlines()[0] == "1 unknown: interrupted"
    assert "Traceback" not in errors


def test_without_the_library_it_says_what_to_install(orders: str) -> None:
    code = (
        "import sys; sys.modules['urllib3'] = None\n"
        "from streamlake.engine.cli.main import run\n"
        f"sys.exit(run(['post', {orders!r}, '--url', 'http://127.0.0.1:1/']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "`post` needs urllib3: `pip install 'streamlake[edge]'` [SL0202]\n")


def test_posting_loads_no_kafka_client(orders: str) -> None:
    with ScriptedEdge() as edge:
        code = (
            "import sys; from streamlake.engine.cli.main import run\n"
            f"assert run(['post', {orders!r}, '--url', {edge.url!r}]) == 0\n"
            "print(sorted({'confluent_kafka', 'pyarrow', 'pydantic', 'fsspec'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
