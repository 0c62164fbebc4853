"""A client of Kafka's admin questions that nobody has any more ends in a thread that may end it."""

import subprocess
import sys

GIVEN_UP = """
import gc, os, sys, threading
from pathlib import Path
from streamlake.engine.kafka.admin import ClusterAdmin

# What each of librdkafka's threads calls itself; of a client there are several.
def threads():
    names = [(task / "comm").read_text() for task in Path("/proc/self/task").iterdir()]
    return sum(name.startswith("rdk:") for name in names)

def admin(beat):
    return ClusterAdmin({"bootstrap.servers": "127.0.0.1:9", "log_level": 0}, timeout_seconds=2, beat=beat)

def give_up():
    raise KeyboardInterrupt

def ask():
    # The error knows this frame, and the frame the error: garbage that only the collector finds.
    asked = admin(give_up)
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
assert threads() > 0
gc.callbacks.append(collected)
gc.enable()
os.read(read, 1)  # makes nothing that could be garbage: who collects is the client's thread, with the answer
gc.callbacks.clear()
admin(give_up)
print("threads:", threads())
"""
"""A process of its own, which the client's thread would end."""


def test_a_client_that_was_given_up_with_a_question_open_does_not_end_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", GIVEN_UP], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "threads: 0\n", "")
