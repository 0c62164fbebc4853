"""Codes SL02..: how a command was called, and what is installed."""

from streamlake.engine.codes.base import Code

TITLE = "Usage and installation"
WHO = "whoever typed the command"

OPTIONS = Code(
    "SL0201",
    "the command does not take that",
    "A command, an option or an argument is unknown, missing or not of its kind. Nothing was done.",
    "`streamlake COMMAND --help` shows them all, with examples.",
)
MEANINGLESS = Code(
    "SL0202",
    "the command was called in a way that can't mean anything",
    "The options are each right, and do not fit together or do not fit what is there. Nothing was changed.",
    "The message says which and what to say instead.",
)
GROUP_ACTIVE = Code(
    "SL0203",
    "the consumer group is in use",
    "What is to be moved is held by running engines: the group has members, or an engine took the partition meanwhile.",
    "Stop the engine on each host that the message names. One that was killed leaves after `session.timeout.ms` (45 "
    "s).",
)
LOCAL_SERVER = Code(
    "SL0204",
    "a local server could not be fetched or started",
    "Kafka, a Java for it or the fake Cloud Storage is missing, or did not come up.",
    "The message says which. The network, the disk's space and a free port are the usual causes.",
)
DUCKDB = Code(
    "SL0205",
    "DuckDB can't do what the checks of quality need",
    "Memory or the disk of temporary files is short.",
    "Give it room (`TMPDIR`), or check a shorter range.",
)
NATIVE_VERSION = Code(
    "SL0206",
    "streamlake-native is of another version",
    "The installed package `streamlake-native` was built for another StreamLake. It is left alone: all works, at more "
    "CPU.",
    "Build it anew: `make native` in a clone, or install the version that belongs to this StreamLake.",
    event="streamlake-native is of another version and is left alone",
)
OUTPUT = Code(
    "SL0207",
    "standard output can't be written",
    "What the command prints is written to a disk that is full, or to a device that takes nothing.",
    "Free space, or send the output elsewhere. What the command did besides printing is done.",
)
