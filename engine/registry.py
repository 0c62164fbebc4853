"""Finds validators and sinks: by the name of an installed plugin, or by an import path `module:Class`."""

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

from streamlake.engine.contracts import CONTRACT_VERSION, Sink, Validator
from streamlake.engine.errors import ConfigError

GROUPS = {"validator": "streamlake.validators", "sink": "streamlake.sinks"}
"""Entry point groups in which an installed package offers plugins."""
PLUGIN_KINDS = tuple(GROUPS)
NEEDS = {"validator": ("from_options", "validate"), "sink": ("from_options", "partition", "ledger")}


def validator_class(name: str) -> type[Validator]:
    """The validator called `name`. Raises ConfigError: see `plugin_class`."""
    return cast("type[Validator]", plugin_class("validator", name))


def sink_class(name: str) -> type[Sink]:
    """The sink called `name`. Raises ConfigError: see `plugin_class`."""
    return cast("type[Sink]", plugin_class("sink", name))


def plugin_class(kind: str, name: str) -> type:
    """The plugin of a kind called `name`, an installed one or `module:Class`.

    Raises ConfigError: there is none or more than one, it can't be imported, is no plugin of this kind, or was written
    for another version of the contract. The other plugins are not looked at.
    """
    path = import_path(kind, name)
    found = _import(kind, name, path)
    absent = [method for method in NEEDS[kind] if not hasattr(found, method)]
    if not isinstance(found, type) or absent:
        what = f"has no {', '.join(absent)}" if absent else "is no class"
        raise ConfigError(f"{kind}.type: {path} is no {kind}: it {what} (see streamlake.engine.contracts)")
    version: object = getattr(found, "contract_version", 1)  # one that says nothing was written for the first
    if version != CONTRACT_VERSION:
        raise ConfigError(
            f"{kind}.type: {path} was written for version {version!r} of the contract, this StreamLake has version "
            f"{CONTRACT_VERSION}: install a version of {package_of(kind, path)} that was made for it, or the "
            "StreamLake that it was made for (contract_version in streamlake.engine.contracts)"
        )
    return found


def import_path(kind: str, name: str) -> str:
    """The import path `module:Class` of the plugin called `name`; nothing is imported. Raises ConfigError, as above."""
    return name if ":" in name else _path_of(kind, name)


def installed(kind: str) -> list[EntryPoint]:
    """The installed plugins of a kind (`validator` or `sink`), by name; nothing is imported."""
    return sorted(entry_points(group=GROUPS[kind]), key=lambda point: (point.name, point.value))


@cache
def known(kind: str) -> Mapping[str, Sequence[EntryPoint]]:
    """The installed plugins of a kind by name, as they were when first asked for; several where packages clash.

    Looking through all installed packages takes 15 ms; a worker has it from the forkserver.
    """
    found: dict[str, list[EntryPoint]] = {}
    for point in installed(kind):
        found.setdefault(point.name, []).append(point)
    return found


def package_of(kind: str, path: str) -> str:
    """The package that offers the plugin with this import path, with its version; the path where none does."""
    offers = [point for points in known(kind).values() for point in points if point.value == path]
    return " and ".join(sorted(set(map(package, offers)))) or path


def package(point: EntryPoint) -> str:
    """The package of an entry point, with its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def add_python_path(folders: Iterable[Path]) -> None:
    """Let plugins and models be imported from `folders`, after everything that is installed."""
    for folder in map(str, folders):
        if folder not in sys.path:
            sys.path.append(folder)


def _path_of(kind: str, name: str) -> str:
    """The import path of an installed plugin. Raises ConfigError where none or several have this name."""
    points = known(kind)
    if name not in points:
        known.cache_clear()  # it may have been installed since
        points = known(kind)
    if name not in points:
        raise ConfigError(_unknown(kind, name, list(points)))
    if len(points[name]) > 1:
        offers = ", ".join(f"{package(point)} ({point.value})" for point in points[name])
        raise ConfigError(
            f"{kind}.type: {len(points[name])} packages offer a {kind} {name!r}: {offers}; uninstall one, or name the "
            "one that you mean by its import path, module:Class"
        )
    return points[name][0].value


def _unknown(kind: str, name: str, names: list[str]) -> str:
    by_small_letters = {one.lower(): one for one in names}
    near = get_close_matches(name.lower(), by_small_letters, 1)
    hint = f"did you mean {by_small_letters[near[0]]}? " if near else ""
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
            near = get_close_matches(error.name, [found.name for found in pkgutil.iter_modules()], 1, 0.8)
            hint = f"{f'did you mean {near[0]}? ' if near else ''}is it installed, or its folder in python_path?"
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
    if isinstance(error, SyntaxError):  # of which nothing ran
        where = f"{error.filename}:{error.lineno}"
    return (
        f"{kind}.type: the plugin {name!r} is there, but its import failed at {where}: {type(error).__name__}: {error}"
    )
