"""Loads a pipeline's YAML: read, `--set`, variables, check; every problem is one sentence with its place."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from streamlake.config.document import Document, read_document
from streamlake.config.model import PipelineConfig
from streamlake.config.overrides import apply_overrides
from streamlake.config.problems import by_line, problems_of
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


def located(problems: Sequence[str], path: Path, overrides: Sequence[str] = ()) -> list[str]:
    """Problems that a plugin found (`sink.columns: …`), each with its place (`x.yaml:9:3: sink.columns: …`).

    In the order of the file's lines; a problem that names no setting of the file has the file's name alone. Raises
    ConfigError where the file can no longer be read.
    """
    document = read_document(path)
    apply_overrides(document, overrides)
    places = [(_place_of(problem, document), problem) for problem in problems]
    places.sort(key=lambda found: by_line(found[0]))
    return [f"--set {problem}" if place.startswith("--set") else f"{place}: {problem}" for place, problem in places]


def _place_of(problem: str, document: Document) -> str:
    """Where `sink.columns` stands, for `sink.columns: …`; the file's name where the sentence begins otherwise."""
    found = re.match(r"\w+(?:\.\w+)*", problem)
    loc = tuple(found[0].split(".")) if found else ()
    return document.place_of(loc, key=True) if loc[:1] in document.keys else document.name
