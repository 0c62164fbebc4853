"""Finds validators and sinks: by the name of an installed plugin, or by an import path `module:Class`."""

import importlib
import sys
import traceback
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

from streamlake.engine.contracts import Sink, Validator
from streamlake.engine.errors import ConfigError

GROUPS = {"validator": "streamlake.validators", "sink": "streamlake.sinks"}
"""Entry point groups in which an installed package offers plugins."""
PLUGIN_KINDS = tuple(GROUPS)


def validator_class(name: str) -> type[Validator]:
    """The validator called `name`. Raises ConfigError: unknown, not importable, or no validator."""
    return cast("type[Validator]", _plugin_class("validator", name, ("from_options", "validate")))


def sink_class(name: str) -> type[Sink]:
    """The sink called `name`. Raises ConfigError: unknown, not importable, or no sink."""
    return cast("type[Sink]", _plugin_class("sink", name, ("from_options", "partition", "ledger")))


def installed(kind: str) -> list[EntryPoint]:
    """The installed plugins of a kind (`validator` or `sink`), by name; nothing is imported."""
    return sorted(entry_points(group=GROUPS[kind]), key=lambda point: point.name)


@cache
def known(kind: str) -> Mapping[str, str]:
    """Import paths of the installed plugins of a kind by name, as they were when first asked for.

    Looking through all installed packages takes 15 ms; a worker has it from the forkserver.
    """
    return {point.name: point.value for point in installed(kind)}


def add_python_path(folders: Iterable[Path]) -> None:
    """Let plugins and models be imported from `folders`, after everything that is installed."""
    for folder in map(str, folders):
        if folder not in sys.path:
            sys.path.append(folder)


def _plugin_class(kind: str, name: str, needs: tuple[str, ...]) -> type:
    if ":" in name:
        path = name
    else:
        points = known(kind)
        if name not in points:
            known.cache_clear()  # it may have been installed since
            points = known(kind)
        if name not in points:
            raise ConfigError(_unknown(kind, name, list(points)))
        path = points[name]
    found = _import(kind, name, path)
    absent = [method for method in needs if not hasattr(found, method)]
    if not isinstance(found, type) or absent:
        what = f"has no {', '.join(absent)}" if absent else "is no class"
        raise ConfigError(f"{kind}.type: {path} is no {kind}: it {what} (see streamlake.engine.contracts)")
    return found


def _unknown(kind: str, name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    return (
        f"{kind}.type: there is no {kind} {name!r}; {hint}installed: {', '.join(names) or 'none'}; "
        "your own is named by an import path, module:Class"
    )


def _import(kind: str, name: str, path: str) -> object:
    """What `module:Class` names; a module that is not there is told apart from one that fails by itself."""
    module_name, _, attribute = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            hint = "is it installed, or its folder in python_path?"
            raise ConfigError(f"{kind}.type: there is no module {error.name} (for {name!r}): {hint}") from None
        raise ConfigError(_own_failure(kind, name, error)) from error
    except (Exception, SystemExit) as error:
        raise ConfigError(_own_failure(kind, name, error)) from error
    found = getattr(module, attribute, None)
    if found is None:
        near = get_close_matches(attribute, vars(module), 1)
        hint = f"; did you mean {module_name}:{near[0]}?" if near else ""
        raise ConfigError(
            f"{kind}.type: the module {module_name} has no {attribute or 'class named after a colon'}{hint}"
        )
    return found


def _own_failure(kind: str, name: str, error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{last.filename}:{last.lineno}"
    return (
        f"{kind}.type: the plugin {name!r} is there, but its import failed at {where}: {type(error).__name__}: {error}"
    )
