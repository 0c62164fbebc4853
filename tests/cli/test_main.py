"""The command line as a user meets it: fast help, near misses, exit codes, and never a traceback."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import click
import pytest
from support.engine import STREAMLAKE, streamlake
from support.yaml_file import SMALL

from streamlake.engine.cli import main as module
from streamlake.engine.cli.main import COMMANDS
from streamlake.engine.codes.configuration import BAD
from streamlake.engine.codes.kafka import UNREACHABLE
from streamlake.engine.errors import ConfigError, FencedError, SourceError, StreamLakeError, UsageError


@pytest.fixture
def valid(tmp_path: Path) -> Path:
    """A valid pipeline's YAML; there is no broker where it points to."""
    path = tmp_path / "orders.yaml"
    path.write_text(SMALL.replace("127.0.0.1:9092", "127.0.0.1:1"))
    return path


def test_a_standard_output_that_is_closed_from_the_beginning_changes_no_exit_code(valid: Path) -> None:
    # As some process managers start it.
    for path, code in ((str(valid), 0), ("nowhere.yaml", 78)):
        command = f'exec "{STREAMLAKE}" validate --offline "{path}" <&- >&-'
        done = subprocess.run(["sh", "-c", command], check=False, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr


def test_help_lists_every_command_in_less_than_a_third_of_a_second() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = streamlake("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert found.returncode == 0
    for name, (_, line) in COMMANDS.items():
        assert name in found.stdout
        assert line in found.stdout
    # Processor time: one thread that waits for nothing takes as long on a quiet machine, and other tests don't count.
    # `make bench` prints what the clock says.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime <= 0.3


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_that_is_listed_is_there_and_has_help(name: str) -> None:
    found = streamlake(name, "--help")
    assert found.returncode == 0, found.stderr
    assert f"Usage: streamlake {name}" in found.stdout


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys, streamlake.engine.cli.main as m\n"
        "m.run(['--help'])\n"
        "print(sorted({n.partition('.')[0] for n in sys.modules} & "
        "{'pydantic', 'confluent_kafka', 'pyarrow', 'fsspec', 'rich', 'structlog', 'yaml'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["rnu"], 2, "no such command 'rnu'; did you mean run?"),
        (["frobnicate"], 2, "no such command 'frobnicate'; there are: init, run, serve, validate"),
        (["--frobnicate"], 2, "--frobnicate"),
        (["validate"], 2, "Missing argument: it takes PIPELINE.yaml... [SL0201]\n"),
        (["validate", "nowhere.yaml"], 78, "nowhere.yaml: can't be read: No such file or directory"),
        (["--version"], 0, "streamlake 0."),
        (["--version"], 0, "streamlake-native"),
    ],
)
def test_every_end_has_its_exit_code_and_its_sentence(arguments: list[str], code: int, said: str) -> None:
    found = streamlake(*arguments)
    assert found.returncode == code
    assert said in found.stdout + found.stderr
    assert "Traceback" not in found.stderr


def test_an_error_is_one_line_and_with_debug_shows_where(valid: Path) -> None:
    arguments = ["produce", str(valid), "--topic", "x", "--stdin", "--file", str(valid)]
    found = streamlake(*arguments)
    assert found.returncode == 2
    assert (
        found.stderr == "say where the records come from: one of --file PATH, --stdin and --generate orders [SL0202]\n"
    )
    debugging = {**os.environ, "STREAMLAKE_DEBUG": "1"}
    found = subprocess.run([STREAMLAKE, *arguments], capture_output=True, text=True, env=debugging, check=False)
    assert found.returncode == 2
    assert "Traceback" in found.stderr
    assert found.stderr.endswith("and --generate orders [SL0202]\n")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SourceError("x"), 1, "x [SL0301]"),
        (SourceError("x", code=UNREACHABLE), 1, "x [SL0302]"),
        (FencedError("x\nits log"), 1, "x [SL0507]\nits log"),
        (UsageError("x"), 2, "x [SL0202]"),
        (ConfigError("x", "y"), 78, "x [SL0101]\ny [SL0101]"),
    ],
)
def test_an_error_has_its_code_behind_it_and_the_exit_code_of_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: StreamLakeError, code: int, said: str
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(module.streamlake, "main", failing)
    assert module.run([]) == code
    assert capsys.readouterr().err == f"{said}\n"


def test_an_error_nobody_thought_of_is_one_line_that_says_how_to_see_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(module.streamlake, "main", broken)
    assert module.run([]) == 1
    said = capsys.readouterr().err
    assert said.startswith("unexpected KeyError: 'surprise'")
    assert "STREAMLAKE_DEBUG=1" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), "abort"])
def test_ctrl_c_ends_in_130(monkeypatch: pytest.MonkeyPatch, raised: object) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise raised if isinstance(raised, BaseException) else click.Abort

    monkeypatch.setattr(module.streamlake, "main", interrupted)
    assert module.run([]) == 130


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    found = subprocess.run(
        [STREAMLAKE, "plugins", "--json"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (found.stderr, found.returncode) == ("", 141)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["plugins"], ["--help"], ["completion", "bash"]])
def test_a_full_disk_under_standard_output_is_a_sentence_and_no_bug(arguments: list[str], unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(
            [STREAMLAKE, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    said = "could not write to standard output: no space left on device [SL0207]\n"
    assert (found.stderr, found.returncode) == (said, 1)


def test_an_error_of_a_system_call_elsewhere_is_not_the_output_s(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.streamlake, "main", failing)
    assert module.run([]) == 1
    assert capsys.readouterr().err.startswith("unexpected OSError: ")


@pytest.mark.parametrize("arguments", [[], ["dead"]])
def test_help_that_is_shown_for_want_of_words_has_no_code(arguments: list[str]) -> None:
    found = streamlake(*arguments)
    assert (found.returncode, found.stdout) == (2, "")
    assert "Commands:" in found.stderr
    assert "SL0201" not in found.stderr


@pytest.mark.parametrize(
    ("arguments", "as_json"),
    [
        (["run", "nowhere.yaml"], True),
        (["serve", "nowhere.yaml"], True),
        (["replay", "run", "nowhere.yaml"], True),
        (["backfill", "run", "nowhere.yaml"], True),
        (["run", "nowhere.yaml", "--log-format", "text"], False),
        (["quality", "run", "nowhere.yaml"], False),
        (["status", "nowhere.yaml"], False),
        (["status", "nowhere.yaml", "--log-format", "json"], True),
    ],
)
def test_a_start_that_fails_is_a_line_of_the_log_where_that_is_json(arguments: list[str], as_json: bool) -> None:
    found = streamlake(*arguments)
    assert (found.returncode, found.stdout, found.stderr.count("\n")) == (78, "", 1)
    why = "nowhere.yaml: can't be read: No such file or directory"
    if not as_json:
        assert found.stderr == f"{why} [SL0101]\n"
        return
    line = json.loads(found.stderr)
    assert (line["event"], line["level"], line["why"]) == ("the command failed", "error", why)
    assert (line["code"], line["exit_code"], line["hint"]) == ("SL0101", 78, BAD.cure)


# validate


def test_validate_says_what_is_there(valid: Path) -> None:
    found = streamlake("validate", "--offline", str(valid))
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert lines[:3] == [
        "1 YAML: ok",
        "2 plugins, models and paths: ok",
        "3 broker, topics, permissions and storage: not checked: --offline",
    ]
    assert lines[-1] == f"{valid}: valid: pipeline orders reads order.raw, order.late; validator json; sink file"


def test_validate_finds_the_problems_of_every_part(valid: Path) -> None:
    wrong = ["sink.format=parket", "validator.depht=3", "kafka.properties.fetch.wiat.max.ms=3"]
    found = streamlake("validate", "--offline", str(valid), *(part for each in wrong for part in ("--set", each)))
    assert found.returncode == 78
    lines = [line for line in found.stdout.splitlines() if line.startswith("    --set")]
    assert len(lines) == 3
    assert any("sink.format" in line and "parquet" in line for line in lines)
    assert any("validator" in line and "depht" in line for line in lines)
    assert any('No such configuration property: "fetch.wiat.max.ms"' in line for line in lines)


def test_validate_finds_what_a_stream_of_the_edge_can_not_be_decided_by(valid: Path) -> None:
    edge = "http: {streams: {orders: {topic: order.raw, validator: {type: jsonn}}}}"
    valid.write_text(f"{valid.read_text()}\n{edge}\n")
    found = streamlake("validate", "--offline", str(valid))
    assert found.returncode == 78
    assert "http.streams.orders.validator.type: there is no validator 'jsonn'; did you mean json?" in found.stdout


@pytest.mark.parametrize("command", ["validate", "run"])
def test_what_a_plugin_finds_in_its_options_has_its_line(valid: Path, command: str) -> None:
    sink = "sink: {type: file, root: lake}\n"
    text = valid.read_text()
    line = 2 + text.splitlines().index(sink.strip())
    block = "sink:\n  partition_bye: none\n  columns: envelop\n  type: file\n  root: lake\n"
    valid.write_text(text.replace(sink, block))
    offline = ["--offline"] if command == "validate" else []
    found = streamlake(command, str(valid), "--set", "sink.format=parket", *offline)
    assert found.returncode == 78
    said = json.loads(found.stderr)["why"] if command == "run" else found.stdout
    lines = [line.strip() for line in said.splitlines()]
    assert [line.removesuffix(" [SL0101]") for line in lines if "sink." in line] == [
        f"{valid}:{line}:3: sink.partition_bye: the file sink has no such option; did you mean partition_by?",
        f"{valid}:{line + 1}:3: sink.columns: 'envelop' is not known; did you mean envelope?",
        "--set sink.format: 'parket' is not known; did you mean parquet?",
    ]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("validator.type=jsn", "there is no validator 'jsn'; did you mean json?"),
        ("sink.type=flie", "there is no sink 'flie'; did you mean file?"),
        ("sink.type=no.such.module:Sink", "there is no module no"),
    ],
)
def test_validate_answers_an_unknown_plugin_with_the_nearest(valid: Path, setting: str, said: str) -> None:
    found = streamlake("validate", "--offline", str(valid), "--set", setting)
    assert found.returncode == 78
    assert said in found.stdout
    assert "Traceback" not in found.stderr


def test_plugins_lists_what_is_installed() -> None:
    found = json.loads(streamlake("plugins", "--json").stdout)
    assert {(each["kind"], each["type"]) for each in found} >= {
        ("validator", "none"),
        ("validator", "json"),
        ("validator", "jsonschema"),
        ("validator", "pydantic"),
        ("sink", "file"),
    }
    text = streamlake("plugins").stdout.splitlines()
    assert text[0].split() == ["kind", "type", "class", "package", "from"]
    assert len(text) == len(found) + 1
