"""`make up | down | status | logs`: the platform on this machine without containers, as processes with pid files.

    python -m streamlake.engine.local.platform up|down|status|logs [PART]

Kafka, a fake Google Cloud Storage, the engine and the HTTP edge of config/examples/orders.yaml, Prometheus and Grafana
where they are installed, and Airflow. PLATFORM_FOLDER (`.platform`) holds all that they write; KAFKA_PORT, GCS_PORT,
ENGINE_PORT, EDGE_PORT, PROMETHEUS_PORT, GRAFANA_PORT and AIRFLOW_PORT are where they listen, on this machine only.
LAKE_ROOT is where the lake lies, in the place of the fake server: gs:// with credentials of your own, or file://.
WITHOUT=airflow,prometheus leaves parts out.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import shorten

from streamlake.engine.errors import Exit, LocalError, StreamLakeError, UsageError
from streamlake.engine.local.detached import Detached
from streamlake.engine.local.platform_parts import Part, all_parts
from streamlake.engine.local.platform_settings import Settings
from streamlake.engine.local.port_owner import owner_of
from streamlake.engine.local.ports import is_free

LOOK_SECONDS = 0.2
LOG_LINES = 20
LOG_LINES_ALONE = 200
SICK_CHARACTERS_MAX = 300

RUNNING_SECONDS_MAX = 15.0
"""How long `up` waits for a part that runs already, and is not healthy."""

NOT_ALL = """\

Not all of it is healthy: see above, make status, and make logs.
"""
NEXT = """\

The platform is up; all of it lies in {folder}. Try:
  . {folder}/env                      # the variables that its commands have
  .venv/bin/streamlake produce {pipeline} --generate orders --records 10000 --broken 0.4%
  .venv/bin/streamlake status {pipeline}
  .venv/bin/streamlake prove {pipeline} --kafka
make status says how it is, make logs shows the ends of its logs, make down stops it and keeps its data.
"""


class Platform:
    """All parts, each with its process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._parts = [(part, Detached(part.name, settings.folder / "run")) for part in all_parts(settings)]

    def up(self) -> int:
        """Start what does not run, in order, each when the one before is healthy; 1 where one is not."""
        well = True
        with self._alone():
            self._refuse_other_settings()
            self._settings.keep()
            for part, process in self._parts:
                try:
                    self._bring_up(part, process)
                except LocalError as error:
                    if part.needed:
                        raise
                    sys.stderr.write(f"{error}\n")
                    well = False
        pipeline = " ".join(self._settings.pipeline)
        sys.stdout.write((NEXT if well else NOT_ALL + NEXT).format(folder=_relative(self._settings), pipeline=pipeline))
        return Exit.DONE if well else Exit.FAILED

    def _refuse_other_settings(self) -> None:
        """Raise LocalError where a part runs by settings that `up` was given before, and is given others now."""
        living = [part.name for part, process in self._parts if process.pid is not None]
        before = Settings.read({"PLATFORM_FOLDER": str(self._settings.folder)})
        moved = [f"{name} is {port}" for name, port in before.ports.items() if self._settings.ports[name] != port]
        if before.lake_root != self._settings.lake_root:
            moved.append(f"LAKE_ROOT is {before.lake_root or 'the fake server'}")
        if living and moved:
            raise LocalError(f"{', '.join(living)} run with other settings ({', '.join(moved)}): `make down` first")

    def _bring_up(self, part: Part, process: Detached) -> None:
        if part.missing:
            _say(part, f"left out: {part.missing}")
        elif process.pid is not None and not part.sick():
            _say(part, f"runs already    {part.address}")
        else:
            self._start(part, process)
        if part.name == "kafka" and not part.missing:
            self._make_topics()

    def down(self) -> int:
        """Stop what runs, the last first; its data stays."""
        with self._alone():
            for part, process in reversed(self._parts):
                stopped = process.stop(part.stop_seconds_max, whole_group=part.whole_group)
                _say(part, "stopped" if stopped else "did not run")
        return Exit.DONE

    def status(self) -> int:
        """Say of each part whether it lives and is healthy; 1 where one that could is not."""
        well = True
        for part, process in self._parts:
            pid = process.pid
            if pid is not None:
                sick = shorten(part.sick(), SICK_CHARACTERS_MAX)
                told = f"process {pid}, {f'not healthy: {sick}' if sick else f'healthy    {part.address}'}"
            elif process.was_started:
                sick, told = "gone", f"has ended by itself; make logs PART={part.name} shows why, make up starts it"
            else:
                sick, told = ("", part.missing) if part.missing else ("down", "does not run; make up starts it")
            well = well and not sick
            _say(part, told)
        return Exit.DONE if well else Exit.FAILED

    def logs(self, name: str | None) -> int:
        """Show the end of each part's log, or more of one."""
        found = [process for part, process in self._parts if name in (None, part.name)]
        if not found:
            names = ", ".join(part.name for part, _ in self._parts)
            raise UsageError(f"there is no part {name!r}: there are {names}")
        for process in found:
            sys.stdout.write(
                f"==> {process.log_path}\n{process.log_tail(LOG_LINES if name is None else LOG_LINES_ALONE)}\n"
            )
        return Exit.DONE

    def _start(self, part: Part, process: Detached) -> None:
        """Start it and wait until it is healthy. Raises LocalError with the end of its log where it is not."""
        began, patience = time.monotonic(), part.start_seconds_max
        if process.pid is not None:
            patience = min(patience, RUNNING_SECONDS_MAX)  # it may still start; or it waits for a person
        else:
            for port in (self._settings.ports[name] for name in part.ports):
                if not is_free(port):
                    raise LocalError(
                        f"{part.name}: port {port} is taken by {owner_of(port)}; stop that, or choose another one: "
                        f"make up {part.ports[0]}=…"
                    )
            part.prepare()
            process.start(part.command, {**os.environ, **part.environment})
        while sick := part.sick():
            if process.pid is None:
                raise LocalError(f"{part.name} ended at its start; its log ends with:\n{process.log_tail()}")
            if time.monotonic() - began > patience:
                raise LocalError(
                    f"{part.name} is not healthy after {patience:g} s: {sick}; its log ends with:\n{process.log_tail()}"
                )
            time.sleep(LOOK_SECONDS)
        _say(part, f"ready in {time.monotonic() - began:4.1f} s {part.address}")

    def _make_topics(self) -> None:
        command = [*self._settings.streamlake, "topics", "apply", *self._settings.pipeline]
        environment = {**os.environ, **self._settings.variables}
        done = subprocess.run(  # noqa: S603  our own command
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode:
            raise LocalError(f"the topics could not be made:\n{done.stdout}")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One `up` or `down` at a time. Raises LocalError where another is at work."""
        folder = self._settings.folder
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise LocalError(f"another `make up` or `make down` works in {folder}: wait for its end") from None
        finally:
            os.close(handle)


def _say(part: Part, text: str) -> None:
    sys.stdout.write(f"{part.name:<11} {text}\n")
    sys.stdout.flush()


def _relative(settings: Settings) -> str:
    return os.path.relpath(settings.folder)


def _done(platform: Platform, arguments: Sequence[str]) -> int:
    match list(arguments):
        case ["up"]:
            return platform.up()
        case ["down"]:
            return platform.down()
        case ["status"]:
            return platform.status()
        case ["logs", *names] if len(names) <= 1:
            return platform.logs(names[0] if names else None)
    raise UsageError(f"there are up, down, status and logs [PART]; not {' '.join(arguments) or 'nothing'}")


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """0 when done and healthy, 1 when a part is not, 2 for a wrong word, 130 on Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    # Who is left out is said at each `up`, and holds until the next one.
    anew = {"WITHOUT": ","} if arguments[:1] == ["up"] else {}
    try:
        return _done(Platform(Settings.read({**anew, **environment})), arguments)
    except StreamLakeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("stopped waiting; what was started runs on: make status, make down\n")
        return Exit.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
