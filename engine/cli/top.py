"""`streamlake top`: an engine's partitions, full screen, from any machine that reaches its `metrics.listen`."""

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue

import click

from streamlake.engine.cli.common import files_said, load, log_format_option, set_option
from streamlake.engine.errors import StreamLakeError, UsageError
from streamlake.engine.state import EngineState

ASK_EVERY_SECONDS = 1.0
ANSWER_SECONDS = 3.0
NO_CURSOR = ("dumb", "unknown")
"""What TERM says of a terminal that can only print."""


@click.command("top", short_help="Watch an engine's partitions, full screen.")
@click.argument("pipeline", type=click.Path(path_type=Path), metavar="[PIPELINE.yaml]...", nargs=-1)
@set_option
@log_format_option
@click.option("--url", metavar="URL", help="Where the engine listens, e.g. http://host:9464; in place of a YAML.")
def command(pipeline: tuple[Path, ...], overrides: tuple[str, ...], url: str | None) -> None:
    """Watch the engine of PIPELINE.yaml, or the one at --url: the table of `status`, once a second, full screen.

    Keys: s and arrows sort and scroll, / filters, p pauses, ? helps, q quits. The worst come first, and a line for each
    one shows its rate of the last minutes. Only asks: whatever is pressed, the engine goes on. When the engine goes
    away it says so, and goes on when it is back.
    """
    address = _address(pipeline, overrides, url)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("top needs a terminal; for a pipe there is `streamlake status --watch --json`")
    if os.environ.get("TERM", "").lower() in NO_CURSOR:
        raise UsageError(
            f"top needs a terminal whose cursor it can move, and TERM is {os.environ['TERM']}; set TERM to what the "
            "terminal is (xterm-256color), or see `streamlake status --watch 2`, which prints lines"
        )
    show(address, files_said(pipeline) or "PIPELINE.yaml")


def _address(pipeline: tuple[Path, ...], overrides: tuple[str, ...], url: str | None) -> str:
    if bool(pipeline) == (url is not None):
        raise UsageError("say either PIPELINE.yaml or --url http://HOST:PORT")
    if url is not None:
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"--url {url}: begin it with http:// or https://, e.g. http://127.0.0.1:9464")
        return url.rstrip("/").removesuffix("/status")
    listen = load(pipeline, overrides).metrics.listen
    if listen is None:
        raise UsageError(
            f"{files_said(pipeline)}: metrics.listen is not set, so its engine can't be asked; start it with "
            "`--set metrics.listen=127.0.0.1:9464`, or see `streamlake status`"
        )
    return f"http://{listen}"


def show(address: str, yaml: str) -> None:
    """Show the engine at `address` until a key or a signal ends it; the terminal is given back as it was."""
    from rich.console import Console  # noqa: PLC0415  # only a terminal pays for it
    from rich.live import Live  # noqa: PLC0415  # the same

    from streamlake.engine.cli.terminal import keys_of_the_terminal  # noqa: PLC0415  # the same
    from streamlake.engine.cli.top_view import TopView  # noqa: PLC0415  # the same

    view, console = TopView(address, yaml), Console()
    heard: SimpleQueue[EngineState | str] = SimpleQueue()
    with (
        keys_of_the_terminal() as keys,
        Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live,
    ):
        _ask_on(address, heard, keys.wake)
        while not view.quit and not keys.ended:
            live.update(view.draw(console.width, console.height, time.monotonic()), refresh=True)
            for key in keys.wait(ASK_EVERY_SECONDS):
                view.press(key)
            for said in _all_of(heard):
                view.heard(said, time.monotonic())


def _ask_on(address: str, heard: "SimpleQueue[EngineState | str]", wake: Callable[[], None]) -> None:
    """Ask once a second in a thread of its own: a slow answer must not make the keys slow."""
    from streamlake.engine.operations.status import ask_url  # noqa: PLC0415  # heavy, as the rest of it

    def ask() -> None:
        while True:
            begun = time.monotonic()
            try:
                heard.put(ask_url(address, ANSWER_SECONDS))
            except StreamLakeError as away:
                heard.put(str(away))
            wake()
            time.sleep(max(0.0, ASK_EVERY_SECONDS - (time.monotonic() - begun)))

    threading.Thread(target=ask, daemon=True, name="asks").start()


def _all_of(heard: "SimpleQueue[EngineState | str]") -> list[EngineState | str]:
    said: list[EngineState | str] = []
    while True:
        try:
            said.append(heard.get_nowait())
        except Empty:
            return said
