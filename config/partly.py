"""What is readable of a YAML with problems: so that the rest can be checked, too, before all of them are told."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from streamlake.config.document import Document, Problem
from streamlake.config.load import Files, checked, context_of
from streamlake.config.model import ACROSS, PipelineConfig
from streamlake.config.problems import problem_at
from streamlake.config.values import Loc, SeveralProblemsError

PLUGIN_SECTIONS = ("validator", "sink", "http")
"""Sections whose options only a plugin knows: nothing may be left out of them, or it would miss what was left out."""


@dataclass(frozen=True, slots=True)
class Readable:
    """A YAML's `problems`, and as much of the pipeline as could be read: only its sections in `sections` are there.

    A setting with a problem has its default, or is left out: then it is in `left_out`, as it stands in the YAML.
    """

    problems: Sequence[Problem]
    config: PipelineConfig
    sections: frozenset[str]
    left_out: Mapping[Loc, object] = field(default_factory=dict)

    def has(self, *names: str) -> bool:
        """Whether all these sections could be read."""
        return self.sections.issuperset(names)

    @property
    def signs_in_as_meant(self) -> bool:
        """Whether nothing of how the cluster is reached was left out: without it, another listener would answer."""
        return self.has("kafka") and not any(loc[0] == "kafka" and _of_signing_in(loc) for loc in self.left_out)


def read_partly(document: Document, files: Files) -> Readable:
    """The document checked, its variables filled in already; raises nothing."""
    config, problems = checked(document, files)
    if config is not None:
        return Readable((), config, frozenset(PipelineConfig.model_fields))
    context = context_of(document, files)
    sections: dict[str, Any] = {}
    left_out: dict[Loc, object] = {}
    for name, field_of in PipelineConfig.model_fields.items():
        unread = [loc[1:] for loc in document.unread if loc[:1] == (name,)]
        if name not in document.tree:
            if not field_of.is_required():
                sections[name] = field_of.get_default()
            continue
        if unread and name in PLUGIN_SECTIONS:
            continue
        adapter: TypeAdapter[Any] = TypeAdapter(field_of.rebuild_annotation())
        value = document.tree[name]
        try:
            sections[name], without = _read(adapter, value, unread, context)
        except ValidationError:
            continue
        left_out |= {(name, *loc): _at(value, loc) for loc in without if _stands(value, loc)}
    config = PipelineConfig.model_construct(None, **sections)
    config.model_post_init(context)
    across = [(loc, said) for needed, check in ACROSS if needed <= sections.keys() for loc, said in check(config)]
    more = [problem_at(loc, said, document, key=True) for loc, said in across if loc not in left_out]
    new = [problem for problem in more if problem not in problems]
    return Readable(sorted([*problems, *new]), config, frozenset(sections), left_out)


def _of_signing_in(loc: Loc) -> bool:
    if loc[1:2] == ("properties",):
        return len(loc) == 2 or str(loc[2]).startswith(("sasl.", "ssl.", "security."))
    return loc[1:2] in {("security",), ("bootstrap_servers",)}


def _read(
    adapter: TypeAdapter[Any], value: object, unread: Sequence[Loc], context: dict[str, object]
) -> tuple[object, Sequence[Loc]]:
    """The section, if need be without the settings that have problems, and which these are. Raises ValidationError."""
    left_out = list(unread)
    while True:
        rest = _without(value, left_out)
        try:
            return adapter.validate_python(rest, context=context), left_out
        except ValidationError as error:
            more = [loc for details in error.errors() for loc in _places(details, rest)]
            if set(more) <= set(left_out):
                raise
            left_out += more


def _places(details: ErrorDetails, value: object) -> Iterator[Loc]:
    """What to leave out for a problem: the settings it is about, or what should hold one that is missing."""
    cause = details.get("ctx", {}).get("error")
    below = [at for at, _ in cause.problems] if isinstance(cause, SeveralProblemsError) else [()]
    for at in below:
        place = (*details["loc"], *at)
        while place and not _stands(value, place):
            place = place[:-1]
        yield place


def _stands(value: object, loc: Loc) -> bool:
    """Whether anything stands at `loc`, be it null."""
    try:
        _at(value, loc)
    except (LookupError, TypeError):
        return False
    return True


def _at(value: Any, loc: Loc) -> object:
    """What stands at `loc`. Raises LookupError and TypeError."""
    for step in loc:
        value = value[step]
    return value


def _without(value: object, locs: Sequence[Loc]) -> object:
    copy = _copied(value)
    for loc in locs:
        parent: Any = copy
        try:
            for step in loc[:-1]:
                parent = parent[step]
            if isinstance(parent, dict):  # without an item the others of a list would be called by wrong numbers
                del parent[loc[-1]]
        except (LookupError, TypeError):
            continue  # it is missing, that is the problem, or it went with what stood above it
    return copy


def _copied(value: object) -> object:
    """Mappings and lists anew, what stands in them as it is: what a variable gave is no plain text."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
