"""A client of Kafka's admin questions that nobody has any more ends in a thread that may end it."""

import os
import subprocess
import sys
from pathlib import Path

GIVEN_UP = """
import contextlib, gc, os, threading
from pathlib import Path
from support.waiting import wait_until
from streamlake.engine.kafka.admin import ClusterAdmin

# What each of librdkafka's threads calls itself; of a client there are several.
def threads():
    names = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            names.append((task / "comm").read_text())
    return [name for name in names if name.startswith("rdk:")]

def give_up():
    raise KeyboardInterrupt

def ask():
    # The error knows this frame, and the frame the error: garbage that only the collector finds.
    properties = {"bootstrap.servers": "127.0.0.1:9", "log_level": 0}
    asked = ClusterAdmin(properties, timeout_seconds=5, beat=give_up)
    try:
        asked.cluster_id()
    except KeyboardInterrupt as error:
        known = error

read, write = os.pipe()
main = threading.get_ident()
def collected(phase, _):
    if phase == "stop" and threading.get_ident() != main:
        os.write(write, b".")

gc.collect()
gc.disable()
gc.set_threshold(1, 1, 1)
ask()
assert threads()
gc.callbacks.append(collected)
gc.enable()
os.read(read, 1)  # makes nothing that could be garbage: who collects is the client's thread, with the answer
gc.callbacks.clear()
wait_until(lambda: not threads(), "the client has ended")
print("alive")
"""
"""A process of its own, which the client's thread would end."""


def test_a_client_that_was_given_up_with_a_question_open_ends_and_not_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GIVEN_UP],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")
