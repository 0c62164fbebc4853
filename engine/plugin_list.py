"""What `streamlake plugins` tells of each installed plugin: where it comes from, whether it loads, and its options."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from streamlake.engine.contracts import PluginOption
from streamlake.engine.errors import ConfigError
from streamlake.engine.registry import PLUGIN_KINDS, installed, known, package, plugin_class


@dataclass(frozen=True, slots=True)
class Plugin:
    """One offer of an installed package: `path` is its import path, `origin` the folder it is installed in.

    `clash` names the packages where several offer this name: then none of them is used by it.
    """

    kind: str
    name: str
    path: str
    package: str
    origin: str
    clash: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What importing a plugin brought: why it can't be used ("": it can), and its options; None: it tells none."""

    why_not: str
    contract_version: int | None
    options: Sequence[PluginOption] | None


def plugins(name: str | None = None) -> list[Plugin]:
    """The installed plugins, those called `name` or all, by kind and name; nothing is imported."""
    return [
        _plugin(kind, point) for kind in PLUGIN_KINDS for point in installed(kind) if name is None or point.name == name
    ]


def load(plugin: Plugin) -> Loaded:
    """Import a plugin and ask it for its options; what is wrong with it is told and touches no other one."""
    try:
        found = plugin_class(plugin.kind, plugin.path)
    except ConfigError as error:
        return Loaded(str(error).removeprefix(f"{plugin.kind}.type: "), None, None)
    version: int = getattr(found, "contract_version", 1)
    tell = getattr(found, "options", None)
    if tell is None:
        return Loaded(plugin.clash, version, None)
    try:
        options = tuple(tell())
    except Exception as error:  # noqa: BLE001  a plugin may raise anything
        return Loaded(f"its options() raised {type(error).__name__}: {error}", version, None)
    strange = [option for option in options if not isinstance(option, PluginOption)]
    if strange:
        return Loaded(f"its options() holds {strange[0]!r:.80}, which is no PluginOption", version, None)
    return Loaded(plugin.clash, version, options)


def _plugin(kind: str, point: EntryPoint) -> Plugin:
    others = known(kind).get(point.name, ())
    clash = f"{len(others)} packages offer this name: {', '.join(map(package, others))}" if len(others) > 1 else ""
    origin = str(point.dist.locate_file("")) if point.dist else ""
    return Plugin(kind, point.name, point.value, package(point), origin, clash)
