"""What `make docs` writes of the settings, with those of our own plugins: the page of all, and the JSON Schema."""

from collections.abc import Sequence
from pathlib import Path

from streamlake.config.page import page
from streamlake.config.schema import SCHEMA_FILE, schema_text
from streamlake.engine.contracts import PluginOption
from streamlake.engine.plugin_list import load, plugins

OURS = "streamlake "
"""How our own package is told, with its version behind it: the page has no plugin of anybody else."""


def configuration_page() -> str:
    """`docs/configuration.md` as it is committed."""
    return page(plugin_options())


def plugin_options() -> dict[str, dict[str, Sequence[PluginOption]]]:
    """The options of our own validators and sinks, by kind and type."""
    found: dict[str, dict[str, Sequence[PluginOption]]] = {}
    for one in plugins():
        if one.package.startswith(OURS):
            found.setdefault(one.kind, {})[one.name] = load(one).options or ()
    return found


def write(docs: Path) -> None:
    """Write both: the page into the folder of the documents, the schema beside the models."""
    (docs / "configuration.md").write_text(configuration_page())
    SCHEMA_FILE.write_text(schema_text(plugin_options()))


if __name__ == "__main__":
    write(Path("docs"))
