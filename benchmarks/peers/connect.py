"""Kafka Connect's FileStreamSink: the smallest connector there is, as the floor of what Connect costs; at least once.

A standalone worker with its defaults, one task, values as bytes turned to text by the string converter, one file. It
validates nothing and lands broken records like all others. It never ends by itself: this program waits until the file
has a line for each record, and then asks the worker to stop.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

GUARANTEE = "at least once"
REQUIREMENTS: tuple[str, ...] = ()
JARS = "connect"
LOOK_SECONDS = 0.5
QUIET_SECONDS = 20.0
STOP_SECONDS = 15.0
LANDS_EVERYTHING = True


def run(servers: str, topic: str, folder: str, jars: str, java: str, records: str) -> None:
    """Start a worker, wait until the file has so many lines or has not grown for a while, and stop it."""
    place = Path(folder)
    (place / "worker.properties").write_text(
        f"bootstrap.servers={servers}\noffset.storage.file.filename={place}/offsets\nlisteners=http://127.0.0.1:0\n"
        "key.converter=org.apache.kafka.connect.storage.StringConverter\n"
        "value.converter=org.apache.kafka.connect.storage.StringConverter\n"
    )
    (place / "sink.properties").write_text(
        f"name={topic}-{place.name}\nconnector.class=org.apache.kafka.connect.file.FileStreamSinkConnector\n"
        f"tasks.max=1\ntopics={topic}\nfile={place}/landed.txt\nconsumer.override.auto.offset.reset=earliest\n"
    )
    command = [java, "-Xmx2g", "-cp", jars, "org.apache.kafka.connect.cli.ConnectStandalone"]
    with (place / "console.log").open("wb") as console:
        worker = subprocess.Popen(
            [*command, str(place / "worker.properties"), str(place / "sink.properties")],
            stdout=console,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(worker, place / "landed.txt", int(records))
        finally:
            worker.send_signal(signal.SIGTERM)
            try:
                worker.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                worker.kill()


def _wait(worker: "subprocess.Popen[bytes]", file: Path, records: int) -> None:
    lines, position, grown = 0, 0, time.monotonic()
    while lines < records and time.monotonic() - grown < QUIET_SECONDS:
        if worker.poll() is not None:
            sys.exit(f"the worker ended with {worker.returncode}")
        time.sleep(LOOK_SECONDS)
        if file.exists() and file.stat().st_size > position:
            with file.open("rb") as read:
                read.seek(position)
                while chunk := read.read(1 << 22):
                    lines, position, grown = lines + chunk.count(b"\n"), position + len(chunk), time.monotonic()


def landed(folder: Path) -> Iterator[bytes]:
    """Each line that it landed."""
    with (folder / "landed.txt").open("rb") as lines:
        yield from (line.removesuffix(os.linesep.encode()) for line in lines)


if __name__ == "__main__":
    run(*sys.argv[1:])
