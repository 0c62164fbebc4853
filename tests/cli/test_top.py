"""`streamlake top` on a pseudo-terminal, against a real endpoint: keys, sizes, signals, an engine that goes away."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.engine import AWAY, STREAMLAKE, pipeline_yaml, streamlake
from support.screen import Screen
from support.shown import at_night, engine, reading

from streamlake.engine.cli.terminal import keys_in
from streamlake.engine.cli.top_view import TopView
from streamlake.engine.endpoint import Endpoint, serve_state
from streamlake.engine.local.ports import free_ports
from streamlake.engine.state import EngineState

SHOW_CURSOR, MAIN_SCREEN = b"\x1b[?25h", b"\x1b[?1049l"


@pytest.fixture
def told() -> list[EngineState]:
    return [at_night(12)]


@pytest.fixture
def endpoint(told: list[EngineState]) -> Iterator[Endpoint]:
    endpoint = serve_state("127.0.0.1:0", lambda: told[-1])
    yield endpoint
    endpoint.close()


@contextmanager
def top(address: str, columns: int = 110, lines: int = 40) -> Iterator[Screen]:
    with Screen([STREAMLAKE, "top", "--url", f"http://{address}"], columns, lines) as screen:
        yield screen


def gave_the_terminal_back(screen: Screen) -> bool:
    return screen.modes == screen.modes_before and screen.raw.rstrip().endswith(SHOW_CURSOR + MAIN_SCREEN)


def test_it_shows_the_engine_follows_it_and_quits(endpoint: Endpoint, told: list[EngineState]) -> None:
    with top(endpoint.address) as screen:
        text = screen.wait_for("orders/3 is parked since")
        assert "orders live-1: 1 parked, 1 restarting, 1 waiting for storage, 8 reading, 1 idle" in text
        assert any(bar in screen.lines[5] for bar in "▁▂▃▄▅▆▇█"), "a line of each partition's rates"
        told.append(engine([reading(77)]))
        screen.wait_for("orders/77")
        screen.press("q")
        assert screen.end() == 0
        assert gave_the_terminal_back(screen)


def test_keys_sort_filter_pause_and_help(endpoint: Endpoint, told: list[EngineState]) -> None:
    with top(endpoint.address) as screen:
        screen.wait_for("sort: worst")
        screen.press("s")
        screen.wait_for("sort: lag")
        screen.press("\x1b[C")
        screen.wait_for("sort: behind")
        screen.press("\x1b[D\x1b[D\x1b[D")
        screen.wait_for("sort: partition")
        first = ["orders/0", "orders/1", "orders/2"]
        screen.wait_for(lambda text: [line.split()[0] for line in text.splitlines()[4:7]] == first)
        screen.press("\x1b[B")
        screen.wait_for(lambda text: text.splitlines()[4].startswith("orders/1 "))
        screen.press("/PARK")
        screen.wait_for("show only: PARK")
        screen.press("x\x7f\r")
        screen.wait_for("orders live-1: 1 parked\n")
        screen.press("\x1b")
        screen.wait_for("8 reading")
        screen.press("?")
        assert "sort by the next column" in screen.wait_for("q, Ctrl-C")
        screen.press("?p")
        screen.wait_for("PAUSED")
        told.append(engine([reading(77)]))
        screen.press("s")
        assert "orders/77" not in screen.wait_for("sort: worst")
        screen.press("p")
        screen.wait_for("orders/77")


def test_a_changed_size_ends_a_wait_for_keys() -> None:
    program = (
        "from streamlake.engine.cli.terminal import keys_of_the_terminal\n"
        "with keys_of_the_terminal() as keys:\n    print('waits')\n    keys.wait(60)\nprint('woken')"
    )
    with Screen([sys.executable, "-c", program]) as screen:
        screen.wait_for("waits")
        screen.resize(90, 20)
        screen.wait_for("woken")


ON_THE_BRINK = """
import signal, threading
from pathlib import Path
from streamlake.engine.cli.terminal import keys_of_the_terminal

stat = Path(f"/proc/self/task/{threading.get_native_id()}/stat")

def signals():
    # Caught by this thread, it interrupts no call of the main one: as if it had come just before that call began.
    while stat.read_text().rpartition(")")[2].split()[0] != "S":
        pass
    signal.pthread_kill(threading.get_ident(), signal.SIG)

with keys_of_the_terminal() as keys:
    threading.Thread(target=signals).start()
    keys.wait(60)
    print("woken")
"""


@pytest.mark.parametrize(("name", "code"), [("WINCH", 0), ("TERM", 143), ("HUP", 129)])
def test_a_signal_on_the_brink_of_a_wait_is_heard_in_it(name: str, code: int) -> None:
    with Screen([sys.executable, "-c", ON_THE_BRINK.replace("SIG)", f"SIG{name})")]) as screen:
        assert screen.end() == code
        assert ("woken" in screen.text) == (code == 0)


def test_it_takes_another_size(endpoint: Endpoint) -> None:
    with top(endpoint.address) as screen:
        screen.wait_for("12")
        screen.resize(70, 12)
        screen.wait_for(lambda text: " more: " in text and " mem " not in text)
        assert len([line for line in screen.lines if line]) <= 12
        screen.resize(200, 50)
        screen.wait_for(lambda text: " more: " not in text and "not landed" in text)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_whatever_ends_it_the_terminal_is_as_it_was(endpoint: Endpoint, number: int) -> None:
    with top(endpoint.address) as screen:
        screen.wait_for("sort: worst")
        assert screen.modes != screen.modes_before
        screen.process.send_signal(number)
        assert screen.end() == 128 + number
        assert gave_the_terminal_back(screen)
        assert b"Traceback" not in screen.raw


def test_it_says_when_the_engine_goes_away_and_when_it_is_back(endpoint: Endpoint, told: list[EngineState]) -> None:
    second: Endpoint | None = None
    with top(endpoint.address) as screen:
        screen.wait_for("orders/3 is parked since")
        endpoint.close()
        assert "orders/3 is parked since" in screen.wait_for("the engine went away"), "what it said last stays"
        second = serve_state(endpoint.address, lambda: told[-1])
        assert "went away" not in screen.wait_for("the engine is back")
        screen.press("q")
        assert screen.end() == 0
    second.close()


def test_an_engine_that_was_never_there_is_said_with_what_else_tells(tmp_path: Path) -> None:
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    pipeline = pipeline_yaml(tmp_path, AWAY, "orders", metrics={"listen": listen})
    with Screen([STREAMLAKE, "top", str(pipeline)], 200) as screen:
        text = screen.wait_for("no engine yet")
        assert f"no engine answers at http://{listen}: [Errno 111] Connection refused" in text
        assert f"`streamlake status {pipeline}`" in text
        screen.press("q")
        assert screen.end() == 0


def test_wrong_calls_are_sentences(tmp_path: Path) -> None:
    pipeline = str(pipeline_yaml(tmp_path, AWAY, "orders"))
    for arguments, said in (
        ((), "say either PIPELINE.yaml or --url"),
        ((pipeline, "--url", "http://h:1"), "say either"),
        (("--url", "h:1"), "begin it with http://"),
        ((pipeline,), "metrics.listen is not set"),
        (("--url", "http://h:1"), "top needs a terminal"),
    ):
        done = subprocess.run([STREAMLAKE, "top", *arguments], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
    assert "s and arrows sort" in streamlake("top", "--help").stdout.replace("\n  ", " ")


def test_a_terminal_without_a_cursor_is_refused_with_what_else_there_is() -> None:
    with Screen([STREAMLAKE, "top", "--url", "http://127.0.0.1:1"], 240, env={"TERM": "dumb"}) as screen:
        screen.wait_for("top needs a terminal whose cursor it can move, and TERM is dumb")
        assert screen.end() == 2
        assert "`streamlake status --watch 2`" in screen.text


def test_what_terminals_send_is_read_as_keys() -> None:
    assert list(keys_in(b"q\x1b[A\x1bOB\x1b[6~")) == ["q", "up", "down", "page down"]
    assert list(keys_in("é/ö".encode())) == ["é", "/", "ö"]
    assert list(keys_in(b"\x1b")) == ["escape"]
    assert list(keys_in(b"\x1b[1;5Cs\x1b[<0;3;4Mq")) == ["s", "q"], "what nobody knows is passed over"
    assert list(keys_in(b"\xff\x01a")) == ["a"]


def test_scrolling_stops_at_both_ends() -> None:
    view = TopView("http://h", "orders.yaml", state=at_night(8))
    view.press("up")
    assert view.scrolled == 0
    for key in ("page down", "page down", "down"):
        view.press(key)
    assert view.scrolled == 7
