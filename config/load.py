"""Loads a pipeline's YAML: read, merged, `--set`, variables, check; every problem is one sentence with its place."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from streamlake.config.document import Document, Place, Problem, loc_of, path_of, read_document
from streamlake.config.merging import merge_into
from streamlake.config.model import PipelineConfig
from streamlake.config.overrides import apply_overrides
from streamlake.config.problems import meant, problems_of
from streamlake.config.values import Loc
from streamlake.config.variables import fill_variables
from streamlake.engine.errors import ConfigError

Files = Path | Sequence[Path]
"""A pipeline's YAML, or several that are merged left to right."""


def load_pipeline(
    files: Files, overrides: Sequence[str] = (), environ: Mapping[str, str] = os.environ
) -> PipelineConfig:
    """The pipeline in the YAML `files`, with `overrides` (`a.b=value`) and variables filled in.

    Plugins' options are not looked at here: the plugin checks them. Raises ConfigError with one sentence for each
    problem; secrets are in none of them.
    """
    document = read_documents(files, overrides)
    fill_variables(document, environ)
    config, problems = checked(document, files)
    if config is None:
        raise ConfigError(*map(str, problems))
    return config


def checked(document: Document, files: Files) -> tuple[PipelineConfig | None, Sequence[Problem]]:
    """The pipeline in a document whose variables are filled in; or None, and its problems in the files' order."""
    found = document.problems
    try:
        config = PipelineConfig.model_validate(document.tree, context=context_of(document, files))
    except ValidationError as error:
        found = [*found, *problems_of(error, document, PipelineConfig)]
        if words := meant(error, PipelineConfig):
            # What belongs to sasl_ssl is told at once, not when it is SASL_SSL.
            tree: Any = document.tree
            for loc, word in words.items():
                tree = _with(tree, loc, word)
            found += [one for one in checked(replace(document, tree=tree), files)[1] if one not in found]
    return (None, sorted(found)) if found else (config, ())


def _with(tree: Any, loc: Loc, value: object) -> object:
    """The tree with another value at `loc`; what is given stays as it is."""
    if not loc:
        return value
    copy: Any = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[loc[0]] = _with(copy[loc[0]], loc[1:], value)
    return copy


def read_documents(files: Files, overrides: Sequence[str] = ()) -> Document:
    """The merged YAML `files` with `overrides` put in; variables are not filled in yet. Raises ConfigError.

    It is raised where a file is no YAML at all, with what is wrong with the other files; what leaves the rest readable
    is among the document's problems.
    """
    documents: list[Document] = []
    unreadable: list[str] = []
    for number, path in enumerate(_listed(files)):
        try:
            documents.append(read_document(path, number))
        except ConfigError as error:
            unreadable += error.problems
    if unreadable:
        others = [problem for document in documents for problem in document.problems]
        raise ConfigError(*unreadable, *map(str, others))
    merged, *more = documents
    for document in more:
        merge_into(merged, document)
    apply_overrides(merged, overrides)
    return merged


def context_of(document: Document, files: Files) -> dict[str, object]:
    """What the model has to know beside the values: where relative paths start, and how the files were named."""
    return {
        "base_dir": document.top.folder,
        "files": tuple(_listed(files)),
        "overrides": tuple(document.overrides),
    }


def located(problems: Sequence[str], files: Files, overrides: Sequence[str] = ()) -> list[str]:
    """Problems that a plugin found (`sink.columns: …`), each with its place (`x.yaml:9:3: sink.columns: …`).

    In the order of the files' lines; a problem that names no setting of a file has the first file's name alone. Raises
    ConfigError where a file can no longer be read.
    """
    return placed(problems, read_documents(files, overrides))


def placed(problems: Sequence[str], document: Document) -> list[str]:
    """As `located`, for files that are read already."""
    found = sorted((_place_of(problem, document), problem) for problem in problems)
    return [_placed(problem, place, document) for place, problem in found]


def _placed(problem: str, place: Place, document: Document) -> str:
    """A setting that --set gave is named once, as the problem has it."""
    if not place.is_override or loc_of(place.setting, document.tree) != loc_of(problem, document.tree):
        return str(Problem(place, problem))
    path = path_of(loc_of(problem, document.tree), document.tree)
    named = re.match(rf"{re.escape(path)}(?![\w.\[-])", problem)
    return f"--set {problem}" if named else str(Problem(place, problem))


def _place_of(problem: str, document: Document) -> Place:
    """Where `sink.columns` stands, for `sink.columns: …`; the first file where the sentence begins otherwise."""
    loc = loc_of(problem, document.tree)
    return document.place_of(loc, key=True) if loc else document.top


def _listed(files: Files) -> Sequence[Path]:
    return [files] if isinstance(files, Path) else files
