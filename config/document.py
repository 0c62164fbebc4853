"""Reads a YAML file into plain values and remembers the line and column of each of them."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from streamlake.config.values import Loc
from streamlake.engine.errors import ConfigError

FILE_BYTES_MAX = 256 * 1024
"""A pipeline's YAML is a few kilobytes; a larger file is not one, and would take seconds to parse."""
DEPTH_MAX = 32


@dataclass(slots=True)
class Document:
    """A YAML file's values, and where (`orders.yaml:12:5`) each key and each value stands."""

    name: str
    tree: dict[str, object]
    keys: dict[Loc, str] = field(default_factory=dict)
    values: dict[Loc, str] = field(default_factory=dict)

    def place_of(self, loc: Loc, *, key: bool = False) -> str:
        """Where the value at `loc` stands (or its key); for what is missing, where its nearest parent stands."""
        while loc not in self.values and loc:
            loc = loc[:-1]
        return self.keys.get(loc, self.values.get(loc, self.name)) if key else self.values.get(loc, self.name)


def read_document(path: Path) -> Document:
    """The YAML file at `path`. Raises ConfigError with a line and column for everything that is not plain YAML.

    Aliases (a bomb in ten lines), merge keys, tags, several documents and repeated keys are refused. Scalars are read
    by the core schema of YAML 1.2: `no`, `on` and `12:30` are text, `012` is 12.
    """
    text = _read_text(path)
    try:
        with closing(_Loader(text)) as loader:
            node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError(f"{where}: not YAML: {error.problem or error.context}{_hint(text, mark)}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path}: must be a mapping that begins with `pipeline: <name>`, not {_kind(node)}")
    document = Document(str(path), {})
    problems: list[str] = []
    document.tree = _Reader(document, problems).mapping(node, ())
    if problems:
        raise ConfigError(*problems)
    return document


def parse_value(text: str, where: str) -> object:
    """A YAML value given on the command line (`8`, `true`, `[a, b]`, `{x: 1}`, text). Raises ConfigError."""
    try:
        with closing(_Loader(text)) as loader:
            node = loader.get_single_node()
    except yaml.YAMLError:
        return text  # what is not YAML is text: --set sink.root=gs://x: y
    problems: list[str] = []
    value = "" if node is None else _Reader(Document(where, {}), problems).value(node, ())
    if problems:
        raise ConfigError(*problems)
    return value


_TAG = "tag:yaml.org,2002:"
_SCALARS: Mapping[str, Callable[[str], object]] = {
    "str": str,
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": lambda text: int(text, 16 if text.startswith("0x") else 10),
    "float": float,
}


class _Loader(yaml.SafeLoader):
    """PyYAML's parser with aliases and deep nesting refused, and the scalars of YAML 1.2."""

    depth = 0
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own name; filled below, once

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """As in PyYAML, but an alias or too deep a nesting is an error with its place."""
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are refused: repeat it", mark)
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise yaml.composer.ComposerError(None, None, f"nested deeper than {DEPTH_MAX}", mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def close(self) -> None:
        """For `contextlib.closing`."""
        self.dispose()


def _add_core_schema() -> None:
    """Scalars as in https://yaml.org/spec/1.2.2/#103-core-schema, without octal and infinities."""
    for tag, pattern, first in (
        ("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
        ("bool", r"^(true|True|TRUE|false|False|FALSE)$", list("tTfF")),
        ("int", r"^[-+]?[0-9]+$|^0x[0-9a-fA-F]+$", list("-+0123456789")),
        ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", list("-+0123456789.")),
    ):
        _Loader.add_implicit_resolver(_TAG + tag, re.compile(pattern), first)


_add_core_schema()


class _Reader:
    """Turns nodes into values, noting places and problems on the way."""

    def __init__(self, document: Document, problems: list[str]) -> None:
        self._document, self._problems = document, problems

    def mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, object]:
        """A mapping with text keys; a repeated key is a problem, since YAML would take the last in silence."""
        self._document.values[loc] = self._where(node)
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode):
                self._problems.append(f"{self._where(key_node)}: a key must be text, not {_kind(key_node)}")
                continue
            if key in found:
                self._problems.append(f"{self._where(key_node)}: {key}: stands here already: keep one of the two")
                continue
            self._document.keys[(*loc, key)] = self._where(key_node)
            found[key] = self.value(value_node, (*loc, key))
        return found

    def value(self, node: yaml.Node, loc: Loc) -> object:
        """A mapping, a list or a scalar."""
        self._document.values[loc] = self._where(node)
        kind = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self.mapping(node, loc)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self.value(item, (*loc, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and kind in _SCALARS:
            try:
                return _SCALARS[kind](str(node.value))
            except ValueError:  # an explicit tag: !!int x
                self._problems.append(f"{self._where(node)}: {node.value!r} is no {kind}")
                return None
        self._problems.append(f"{self._where(node)}: the tag {node.tag} is refused: write the plain value")
        return None

    def _where(self, node: yaml.Node) -> str:
        if not self._document.name.startswith("--set"):
            mark = node.start_mark
            return f"{self._document.name}:{mark.line + 1}:{mark.column + 1}"
        return self._document.name


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: is larger than {FILE_BYTES_MAX // 1024} KiB: this is no pipeline's YAML")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 (byte {error.start})") from None


def _hint(text: str, mark: yaml.Mark | None) -> str:
    """The two mistakes that everybody makes, in words."""
    if mark is None:
        return ""
    if text[max(0, mark.index - 1) : mark.index + 1] == "${":
        return '; inside { } a variable needs quotes: "${NAME}"'
    line = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    return "; indent with spaces, not with tabs" if "\t" in line else ""


def _kind(node: yaml.Node | None) -> str:
    if node is None:
        return "an empty file"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a single value"


def items_by_name(items: list[object]) -> Iterator[tuple[int, str]]:
    """Number and `name` of those list items that are mappings with a name."""
    for index, item in enumerate(items):
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            yield index, item["name"]


def path_of(loc: Loc, tree: object) -> str:
    """`kafka.topics[streamlake.order.raw].partitions`: a place as `--set` takes it."""
    text = ""
    for step in loc:
        if isinstance(step, int):
            names = dict(items_by_name(tree)) if isinstance(tree, list) else {}
            text += f"[{names.get(step, step)}]"
            tree = tree[step] if isinstance(tree, list) and step < len(tree) else None
        else:
            text += f".{step}" if text else step
            tree = tree.get(step) if isinstance(tree, dict) else None
    return text
