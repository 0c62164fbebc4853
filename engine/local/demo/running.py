"""What KEEP=1 leaves beside the servers: an engine that lands what comes, and the HTTP edge that takes it."""

import os
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from streamlake.engine.errors import LocalError
from streamlake.engine.local.demo.kept import EDGE, ENGINE, LOOK_SECONDS, Server, start_detached
from streamlake.engine.local.demo.steps import Place
from streamlake.engine.local.ports import LOOPBACK, free_ports

READY_SECONDS_MAX = 60.0


def leave_running(place: Place, pipeline: Path) -> None:
    """Start both on a pipeline, and return when they are ready. Raises LocalError where one is not."""
    engine, edge = (f"{LOOPBACK}:{port}" for port in free_ports(2))
    screen = place.screen
    screen.step("What runs on, to look around")
    _start(place, ENGINE, "run", pipeline, f"metrics.listen={engine}", "batch.seconds_max=5")
    _start(place, EDGE, "serve", pipeline, f"http.listen={edge}", "http.workers=1")
    for server, address in ((ENGINE, engine), (EDGE, edge)):
        _wait_until_ready(place, server, f"http://{address}/readyz")
        pid = server.pid(place.settings.folder)
        screen.say(f"The {server.title} is process {pid}; `kill {pid}` stops it, and so does the next demo.")
    screen.say("Stop these two before Kafka and the bucket: they finish what they have in hand.")
    screen.command([".venv/bin/streamlake", "top", "--url", f"http://{engine}"])
    screen.command(["curl", f"http://{engine}/metrics"])
    screen.command(
        ["curl", "-X", "POST", f"http://{edge}/ingest/orders", "-H", "content-type: application/json", "-d", "{}"]
    )


def _start(place: Place, server: Server, verb: str, pipeline: Path, *values: str) -> None:
    folder, screen = place.settings.folder, place.screen
    settings = [part for value in values for part in ("--set", value)]
    screen.command(["streamlake", verb, str(pipeline.relative_to(Path.cwd())), *settings])
    command = [*place.settings.streamlake, verb, str(pipeline), *settings]
    environment = {**os.environ, **place.lake.environment}
    pid = start_detached(command, folder / f"{server.name}.out", environment)
    server.write_down(folder, pid)


def _wait_until_ready(place: Place, server: Server, url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not _is_ready(url):
        if server.pid(place.settings.folder) is None or time.monotonic() > deadline:
            said = (place.settings.folder / f"{server.name}.out").read_text().strip()
            raise LocalError(f"the {server.title} that is to run on is not ready at {url}: {said}")
        time.sleep(LOOK_SECONDS)


def _is_ready(url: str) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=5) as answer:
            ready: bool = answer.status == 200
            return ready
    except (OSError, URLError):
        return False
