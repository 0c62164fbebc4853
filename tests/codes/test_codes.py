"""Every warning and error has a code with its cause and cure, and every code can come up: both ways."""

import importlib
import io
import json
import logging
import pkgutil
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from support.engine import streamlake as streamlake_command
from support.log_calls import log_calls, modules, named_codes

import streamlake.engine
import streamlake.plugins
from streamlake.engine.codes import processes
from streamlake.engine.codes.base import Code
from streamlake.engine.codes.catalogue import CODES, EVENTS, GROUPS, codes_of
from streamlake.engine.codes.page import page
from streamlake.engine.codes.storage import DISK_FULL
from streamlake.engine.errors import StorageError, StreamLakeError
from streamlake.engine.logs import configure_logs, in_colours

ROOT = Path(__file__).parent.parent.parent
ELSEWHERE = {processes.LIBRARY.number}
"""A library's line has no event of ours: `engine/logs.py` gives it this code, which a test below sees."""


def test_each_number_is_there_once_and_in_the_group_that_it_says() -> None:
    numbers = [code.number for group in GROUPS for code in codes_of(group)]
    assert len(numbers) == len(set(numbers))
    assert numbers == sorted(numbers)
    for place, group in enumerate(GROUPS, 1):
        assert all(re.fullmatch(rf"SL{place:02}\d\d", code.number) for code in codes_of(group)), group
    events = [code.event for code in CODES.values() if code.event]
    assert len(events) == len(set(events))


@pytest.mark.parametrize("code", CODES.values(), ids=str)
def test_a_code_says_its_cause_and_its_cure_in_sentences(code: Code) -> None:
    assert code.name[-1] != "."
    for text in (code.cause, code.cure):
        assert re.fullmatch(r"[^ \n].+[.?]", text), text
        assert "  " not in text


def test_the_page_is_what_the_catalogue_says() -> None:
    assert (ROOT / "docs/errors.md").read_text() == page(), "`make docs` writes it"


def test_every_line_at_warning_and_above_has_a_fixed_event_and_a_code() -> None:
    calls = [call for name, text in modules(ROOT) for call in log_calls(text, name)]
    assert len(calls) > 30
    wrong = [call for call in calls if call.event is None or not (call.with_code or call.event in EVENTS)]
    assert not wrong, wrong


def test_every_code_of_the_page_can_come_up() -> None:
    texts = list(modules(ROOT))
    logged = {call.event for name, text in texts for call in log_calls(text, name)}
    named = set[tuple[str, str]]().union(*(named_codes(text) for _, text in texts))
    unreachable = [
        f"{code} {name}"
        for group in GROUPS
        for name, code in vars(group).items()
        if isinstance(code, Code) and not (code.event in logged if code.event else (_short(group), name) in named)
    ]
    assert unreachable == []
    assert set(CODES) >= ELSEWHERE


def _short(group: object) -> str:
    return str(getattr(group, "__name__", "")).rpartition(".")[2]


def _errors(kind: type[StreamLakeError] = StreamLakeError) -> Iterator[type[StreamLakeError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _errors(one)


def test_every_error_has_a_code_of_the_catalogue() -> None:
    for package in (streamlake.engine, streamlake.plugins):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".local" not in module.name and ".preload" not in module.name:
                importlib.import_module(module.name)
    found = {kind for kind in _errors() if kind.__module__.startswith("streamlake.")}
    assert len(found) > 20
    assert [kind for kind in found if kind.code not in CODES.values()] == []


PLANTED = {
    'log.warning("a new thing")': "no code",
    'log.error(f"a new {thing}")': "no fixed event",
    'log.error("%s: a new thing", thing)': "no fixed event",
    'log.warning("a new thing", code="SL0403")': "",
    'log.warning("lost", partitions=[])': "",
    "error = message.error()": "",
}


@pytest.mark.parametrize(("code", "says"), PLANTED.items())
def test_a_planted_line_without_a_code_is_seen(code: str, says: str) -> None:
    for call in log_calls(code, "planted.py"):
        said = "no fixed event" if call.event is None else "" if call.with_code or call.event in EVENTS else "no code"
        assert said == says
        break
    else:
        assert says == ""


def test_a_code_that_is_imported_and_not_used_is_none_that_can_come_up() -> None:
    imported = "from streamlake.engine.codes.storage import DISK_FULL as FULL, ACCESS\n"
    assert named_codes(f"{imported}raise StorageError('x', code=FULL)") == {("storage", "DISK_FULL")}


@pytest.fixture
def as_json() -> Iterator[None]:
    """Logs are JSON on standard error."""
    root = logging.getLogger()
    before, level, config = root.handlers[:], root.level, structlog.get_config()
    configure_logs("json", pipeline="orders", partition="orders/1")
    yield
    root.handlers[:] = before
    root.setLevel(level)
    structlog.configure(**config)


def test_a_line_gets_the_code_of_its_event_and_keeps_one_that_was_given(
    as_json: None, capsys: pytest.CaptureFixture[str]
) -> None:
    log = structlog.get_logger("streamlake.engine")
    log.warning("lost", partitions=["orders/0"])
    log.error("parked", partition="orders/0", why="the disk is full", code=DISK_FULL.number)
    log.info("assigned")
    log.debug("claimed")
    there = threading.Thread(target=logging.getLogger("somebody").warning, args=("a %s of theirs", "line"))
    there.start()
    there.join()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line.get("code") for line in lines] == ["SL0331", "SL0403", None, "SL0792"]
    assert [line["partition"] for line in lines] == ["orders/1", "orders/0", "orders/1", "orders/1"]
    assert all(line["pipeline"] == "orders" for line in lines)
    assert all({"timestamp", "level", "event", "logger"} <= set(line) for line in lines)
    assert (lines[-1]["event"], lines[-1]["text"]) == ("somebody", "a line of theirs")


def test_explain_prints_cause_and_cure() -> None:
    for asked in ("SL0403", "sl0403"):
        found = streamlake_command("explain", asked)
        assert found.returncode == 0, found.stderr
        assert found.stdout.startswith("SL0403: the disk is full")
        assert "Cause: There is no room below `sink.root`" in found.stdout
        assert "Cure: Free space" in found.stdout
        assert max(map(len, found.stdout.splitlines())) <= 100


@pytest.mark.parametrize(
    ("asked", "says"),
    [("SL9999", "there is no code SL9999"), ("SL0430", "near it there are SL04"), ("full", "'full' is no code")],
)
def test_explain_knows_what_it_can_not_explain(asked: str, says: str) -> None:
    found = streamlake_command("explain", asked)
    assert found.returncode == 2
    assert says in found.stderr
    assert found.stderr.endswith(" [SL0202]\n")


def test_an_error_keeps_its_code_on_the_way_to_another_process() -> None:
    import pickle  # noqa: PLC0415  # as multiprocessing does

    there = pickle.loads(pickle.dumps(StorageError("no room", code=DISK_FULL)))
    assert (str(there), there.code) == ("no room", DISK_FULL)


@pytest.mark.parametrize(
    ("environment", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colours_are_for_terminals_and_for_who_asks(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], terminal: bool, coloured: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal, raising=False)
    assert in_colours(stream) is coloured
    assert not in_colours(None) or "FORCE_COLOR" in environment
