"""A Chromium without a window, driven by the DevTools protocol: opens a page, runs JavaScript, takes a picture."""

import base64
import json
import subprocess
import tempfile
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.waiting import wait_until
from websockets.sync.client import ClientConnection, connect

PAGE_SECONDS = 120.0
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"),
    *("--no-first-run", "--remote-debugging-port=0", "--remote-allow-origins=*", "--force-color-profile=srgb"),
    *("--disable-background-networking", "--no-proxy-server"),
)


class Chromium:
    """One page of one browser with a profile of its own; all of it is gone in the end."""

    def __init__(self, program: str, width: int = 1440, height: int = 900) -> None:
        self._calls = 0
        self._open = ExitStack()
        try:
            self._socket = self._connected(program, width, height)
            self.call("Page.enable")
            self.resize(width, height)
        except BaseException:
            self._open.close()
            raise

    def _connected(self, program: str, width: int, height: int) -> ClientConnection:
        profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        folder = Path(self._open.enter_context(profile))
        command = [program, *OPTIONS, f"--user-data-dir={folder}", f"--window-size={width},{height}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._open.callback(process.wait)
        self._open.callback(process.kill)
        says = folder / "DevToolsActivePort"
        wait_until(lambda: says.exists() and "\n" in says.read_text(), "Chromium", PAGE_SECONDS)
        port = int(says.read_text().splitlines()[0])
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{port}/json/list", timeout=PAGE_SECONDS) as reply:
            pages = [page for page in json.load(reply) if page["type"] == "page"]
        address = pages[0]["webSocketDebuggerUrl"]
        return self._open.enter_context(connect(address, max_size=None, proxy=None, open_timeout=PAGE_SECONDS))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._open.close()

    def call(self, method: str, **params: object) -> Any:
        """One command of the protocol, and its result."""
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": params}))
        while True:
            told = json.loads(self._socket.recv(PAGE_SECONDS))
            if told.get("id") == self._calls:
                assert "error" not in told, f"{method}: {told['error']}"
                return told["result"]

    def resize(self, width: int, height: int) -> None:
        """Let the page be so large, in pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression on the page."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def open(self, url: str, *words: str) -> None:
        """Open a page and wait until it shows these words."""
        self.call("Page.navigate", url=url)
        self.wait_for(*words)

    def wait_for(self, *words: str) -> None:
        """Wait until the page shows these words."""

        def text() -> str:
            return str(self.run("document.body ? document.body.innerText : ''"))

        wait_until(lambda: all(word in text() for word in words), lambda: f"{words} on:\n{text()}", PAGE_SECONDS)

    def click(self, selector: str, text: str = "") -> None:
        """Click the first element that fits the selector and shows the text, as soon as it is there."""
        find = (
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            f".find(each => each.innerText.includes({json.dumps(text)}))"
        )
        wait_until(lambda: bool(self.run(f"!!({find})")), f"{selector} {text}", PAGE_SECONDS)
        place = self.run(
            f"(() => {{ const one = {find}; one.scrollIntoView({{block: 'nearest'}});"
            "const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2] })()"
        )
        mouse = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **mouse)

    def picture(self, path: Path) -> None:
        """What is on the page, as a PNG, when nothing moves any more."""
        still = (
            "document.getAnimations().every("
            "each => each.playState !== 'running' || each.effect.getTiming().iterations > 9)"
        )
        wait_until(lambda: bool(self.run(still)), "a page that stands still", PAGE_SECONDS)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
