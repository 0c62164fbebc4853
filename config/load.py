"""Loads a pipeline's YAML: read, `--set`, variables, check; every problem is one sentence with its place."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from streamlake.config.document import read_document
from streamlake.config.model import PipelineConfig
from streamlake.config.overrides import apply_overrides
from streamlake.config.problems import problems_of
from streamlake.config.variables import fill_variables
from streamlake.engine.errors import ConfigError


def load_pipeline(path: Path, overrides: Sequence[str] = (), environ: Mapping[str, str] = os.environ) -> PipelineConfig:
    """The pipeline in the YAML file at `path`, with `overrides` (`a.b=value`) and variables filled in.

    Plugins' options are not looked at here: the plugin checks them. Raises ConfigError with one sentence for each
    problem; secrets are in none of them.
    """
    document = read_document(path)
    apply_overrides(document, overrides)
    base_dir = path.resolve().parent
    unfilled = fill_variables(document, environ, base_dir)
    try:
        config = PipelineConfig.model_validate(document.tree, context={"base_dir": base_dir, "path": path})
    except ValidationError as error:
        raise ConfigError(*problems_of(error, document, PipelineConfig, unfilled)) from None
    if unfilled:
        raise ConfigError(*unfilled.values())
    return config
