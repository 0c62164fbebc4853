"""A small valid pipeline's YAML, and what loading a changed one says."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from streamlake.config.load import load_pipeline
from streamlake.config.model import PipelineConfig
from streamlake.engine.errors import ConfigError

SMALL = """\
pipeline: orders
kafka:
  bootstrap_servers: 127.0.0.1:9092
  group_id: streamlake.orders
  topics:
    - {name: order.raw, partitions: 4}
    - {name: order.late}
validator: {type: json}
sink: {type: file, root: lake}
dead_letters: {topic: {name: orders.dlq}}
"""


class YamlFile:
    """`pipeline.yaml` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "pipeline.yaml"

    def load(
        self, text: str = SMALL, *overrides: str, environ: Mapping[str, str] | None = None, append: str = ""
    ) -> PipelineConfig:
        """Write `text` (and `append`) and load it."""
        self.path.write_text(text + append)
        return load_pipeline(self.path, overrides, environ or {})

    def problems(
        self, text: str = SMALL, *overrides: str, environ: Mapping[str, str] | None = None, append: str = ""
    ) -> list[str]:
        """What is wrong with it, without the folder's name in front."""
        with pytest.raises(ConfigError) as caught:
            self.load(text, *overrides, environ=environ, append=append)
        return [problem.replace(f"{self.path.parent}/", "") for problem in caught.value.problems]
