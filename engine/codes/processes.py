"""Codes SL07..: the engine's processes and their host."""

from streamlake.engine.codes.base import Code

TITLE = "Processes and host"
WHO = "whoever runs the host; a bug is ours"

WORKER_ENDED = Code(
    "SL0701",
    "a worker ended",
    "The worker of a partition ended otherwise than by draining; `why` says what it said, and the line has the code "
    "of that where it has one. It is started again with a growing wait.",
    "Nothing, if it is rare.",
    event="worker ended",
)
CRASHED = Code(
    "SL0702",
    "a worker crashed",
    "Something was raised that is not one of StreamLake's errors: a bug, or a plugin's.",
    "`--log-level debug` shows where. Please report it, with the line.",
)
KILLED = Code(
    "SL0703",
    "a worker was killed",
    "A signal ended it (often the kernel, where memory is short: SIGKILL), or a plugin ended the process. Nothing is "
    "lost.",
    "Look at the kernel's log for `oom`; lower `batch.bytes_max` or give the host memory.",
)
STUCK = Code(
    "SL0704",
    "a worker gave no sign of life",
    "Its loop stood still for `workers.stuck_seconds`, so it was killed: a hanging disk or mount, or a validator that "
    "does not end.",
    "Look at what the phase in the message waits for; raise `workers.stuck_seconds` if it is only slow.",
)
NOT_DRAINED = Code(
    "SL0705",
    "a worker did not finish in time",
    "It was asked to finish its batch and took longer than `workers.drain_seconds`, so it was killed. Nothing is "
    "lost: the batch is read again.",
    "Raise `workers.drain_seconds`, or make batches smaller.",
)
NOT_STARTED = Code(
    "SL0706",
    "a worker could not be started",
    "The operating system did not give a process: a limit on processes, files or memory.",
    "Check `ulimit -a` and the memory of the host or container. It is tried again by itself.",
)
ORPHANED = Code(
    "SL0707",
    "the supervisor is gone",
    "The process that holds the group's seat ended or was killed, and its workers do not outlive it.",
    "Start the engine again; look for what killed it.",
)
DIED_TOO_OFTEN = Code(
    "SL0708",
    "a partition's worker died too often",
    "More than `workers.restarts_max` deaths within `workers.restart_window`: the partition is parked, the others go "
    "on.",
    "The message has the last death and its code: mend that, then send SIGHUP or restart.",
)
PARKED = Code(
    "SL0709",
    "a partition is parked",
    "Trying again can't help before a person has acted. The line and `streamlake status` have the code of the cause.",
    "Mend the cause, then send SIGHUP or restart.",
    event="parked",
)
NOT_LANDED = Code(
    "SL0710",
    "a partition has not landed what it was to land",
    "The engine ends, and this partition was parked or fenced; the line has the code of the cause.",
    "Mend the cause and run again.",
    event="not landed",
)
NO_PLACE = Code(
    "SL0711",
    "this host runs no more workers",
    "It was given more partitions than `workers.max`: the others wait.",
    "Raise `workers.max`, or start the same command on another host.",
    event="waiting",
)
NOT_PRELOADED = Code(
    "SL0712",
    "the forkserver has not preloaded",
    "Workers import everything themselves, so each starts a second later and takes more memory.",
    "Please report it, with the output of `streamlake --version`.",
    event="the forkserver has not preloaded; each worker imports everything itself",
)
NO_STATE_FILE = Code(
    "SL0713",
    "the engine's state can't be written down",
    "`$XDG_STATE_HOME/streamlake` (`~/.local/state/streamlake`) can't be written: `status` forgets what is parked "
    "when the engine has ended. Landing does not depend on it.",
    "Set XDG_STATE_HOME to a folder that can be written.",
    event="the state of this engine can't be written down",
)
PORT_TAKEN = Code(
    "SL0714",
    "the metrics port is taken",
    "Something listens there already, most often another engine of this host. Another port was taken: the field "
    "`listening` says which.",
    "Give each engine of a host a port of its own: `--set metrics.listen=127.0.0.1:9465`.",
    event="metrics port is taken",
)
ENDPOINT = Code(
    "SL0715",
    "a request to /metrics or /status failed",
    "An answer could not be made. Others are served on.",
    "Please report it, with the line.",
    event="a request to the endpoint failed",
)
NO_ENGINE = Code(
    "SL0716",
    "no engine answers",
    "What runs at `metrics.listen`, or at the `--url` that was said, does not answer, or is no engine of StreamLake.",
    "`streamlake status PIPELINE.yaml` tells what the ledger knows without it. See that it runs, and that its port is "
    "reachable from here: `metrics.listen` may be of its host alone.",
)
NO_TRACES = Code(
    "SL0731",
    "no traces are sent, though the environment asks for them",
    "A variable `OTEL_…` asks for traces in a way that is not there or can't be used, or the extra `otel` is not "
    "installed: the line says which. Landing does not depend on it.",
    "Do what the line says, or set `OTEL_TRACES_EXPORTER=none`. What can be set is in docs/metrics.md.",
    event="no traces are sent",
)
TRACES_LOST = Code(
    "SL0732",
    "traces do not reach their collector",
    "The collector does not answer, or does not take them: spans are dropped. Landing does not depend on it. "
    "It is said once a minute at most.",
    "See that the address in `OTEL_EXPORTER_OTLP_ENDPOINT` is that of a collector for OTLP over HTTP (port 4318).",
    event="traces do not reach their collector",
)
TRACES_GIVEN_UP = Code(
    "SL0733",
    "traces are given up",
    "OpenTelemetry's library raised an error. No more spans are made until the engine starts again; landing goes on.",
    "Please report it, with the line.",
    event="traces are given up",
)
UNEXPECTED = Code(
    "SL0791",
    "unexpected: a bug",
    "A command ended by an error that is none of StreamLake's own: a bug of it, or of a plugin.",
    "`STREAMLAKE_DEBUG=1` shows where. Please report it, with that.",
)
LIBRARY = Code(
    "SL0792",
    "a library warns",
    "The line is not StreamLake's own but a library's (librdkafka, gunicorn, asyncio, a plugin); `logger` names it.",
    "Its own documentation says what it means. What it leads to is said in a line of StreamLake's.",
)
