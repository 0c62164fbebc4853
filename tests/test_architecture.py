"""The rooms of DESIGN §9 and the arrows between them (`support/rooms.py`), held against every import in the tree."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from support.imports import Tree, cycle_through, is_foreign, loaded_with, read_tree
from support.rooms import HERE, LIBRARIES, OF_DAGS, ROOMS, Room, room_of

ROOT = Path(__file__).parent.parent

START_UP = "engine.cli.main"
START_UP_LIBRARIES = ("click",)


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


def dags_know_airflow_and_tasks(tree: Tree) -> Iterator[str]:
    """A DAG stands on Airflow and the tasks of the engine: what else it needs is theirs to bring."""
    for module, imports in tree.items():
        if room_of(module) == "dags":
            foreign = (found for found in imports if is_foreign(found, tree) and found.library not in OF_DAGS)
            yield from (f"{module}:{found.line}: a DAG uses {found.target}" for found in foreign)


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
    dags_know_airflow_and_tasks,
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
    return read_tree(ROOT, HERE)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Callable[[Tree], Iterator[str]], streamlake: Tree) -> None:
    violations = list(rule(streamlake))
    assert not violations, "\n".join(violations)


def test_the_whole_tree_is_read(streamlake: Tree) -> None:
    files = [path for folder in HERE for path in (ROOT / folder).rglob("*.py")]
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
        (
            {"dags/x.py": "def f():\n import streamlake.config.load", "config/load.py": ""},
            "dags may not import settings",
        ),
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
        ({"engine/operations/dags.py": "from airflow.sdk import dag"}, "belongs in dags."),
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
    dags_know_airflow_and_tasks: [
        ({"dags/streamlake_x.py": "import requests"}, "a DAG uses requests"),
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
    return read_tree(root, HERE)


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
