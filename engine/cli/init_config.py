"""What `init` asks its cluster with: its options and its `--set`, read and checked as a YAML's settings are."""

import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamlake.engine.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from streamlake.config.model import PipelineConfig
    from streamlake.engine.operations.draft_yaml import Places

SETTABLE = ("kafka.security.", "kafka.properties.")
_OPTIONS = {
    "--bootstrap": ("kafka", "bootstrap_servers"),
    "--group": ("kafka", "group_id"),
    "--topic": ("kafka", "topics", 0, "name"),
}


def config_of(
    pipeline: Path, places: "Places", servers: str, overrides: Sequence[str]
) -> tuple["PipelineConfig", Mapping[str, Any]]:
    """The pipeline as far as it takes to ask its cluster, and what of `kafka:` was set, variables as they were said.

    Raises ConfigError with what is wrong of that, UsageError where another setting is to be set.
    """
    from streamlake.config.document import OVERRIDES, Document, Place  # noqa: PLC0415  # heavy, as what follows
    from streamlake.config.load import checked  # noqa: PLC0415
    from streamlake.config.overrides import apply_overrides  # noqa: PLC0415
    from streamlake.config.variables import fill_variables  # noqa: PLC0415

    for override in overrides:
        if not override.startswith(SETTABLE):
            path = override.partition("=")[0]
            raise UsageError(
                f"--set {path}: init takes kafka.security and kafka.properties, which it asks the cluster with; the "
                "others are yours to write into the file, or to give to the commands that read it"
            )
    kafka: dict[str, Any] = {
        "bootstrap_servers": servers,
        "group_id": places.group,
        "topics": [{"name": places.reads}],
    }
    folder = pipeline.parent.absolute()
    document = Document(
        Place(0, 0, 0, str(pipeline), folder),
        {
            "pipeline": places.pipeline,
            "kafka": kafka,
            "validator": {"type": "none"},
            "sink": {"type": "file", "root": places.root},
            "dead_letters": {"topic": {"name": places.dead}},
        },
    )
    document.values |= {loc: Place(OVERRIDES, 0, 0, option, folder) for option, loc in _OPTIONS.items()}
    document.unread.add(("dead_letters", "topic", "name"))  # wrong only where the topic's is, and that is said
    apply_overrides(document, overrides)
    said: dict[str, Any] = deepcopy({name: kafka[name] for name in ("security", "properties") if name in kafka})
    fill_variables(document, os.environ)
    config, problems = checked(document, pipeline)
    if config is None:
        raise ConfigError(*map(str, problems))
    return config, said
