"""Reads a YAML file into plain values and remembers the line and column of each of them."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from streamlake.config.secrets import is_secret, shown_name
from streamlake.config.values import Loc
from streamlake.config.yaml_mistakes import TEMPLATE, not_yaml
from streamlake.engine.errors import ConfigError

FILE_BYTES_MAX = 256 * 1024
"""A pipeline's YAML is a few kilobytes; a larger file is not one, and would take seconds to parse."""
DEPTH_MAX = 32


OVERRIDES = 1_000
"""The `number` of a place on the command line: after those of all files."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands: `orders.yaml:12:5`, the file alone (line 0), or `--set sink.root`."""

    number: int
    """Which of the files it is, from 0; OVERRIDES for the command line. Places are ordered by it, then by lines."""
    line: int
    column: int
    name: str
    folder: Path = field(compare=False)
    """Relative paths start there, absolute."""

    def __str__(self) -> str:
        """As messages begin."""
        return f"{self.name}:{self.line}:{self.column}" if self.line else self.name

    @property
    def setting(self) -> str:
        """What --set has set, for a place on the command line."""
        return self.name.removeprefix("--set ")

    @property
    def is_override(self) -> bool:
        """Whether it is on the command line and in no file."""
        return self.number == OVERRIDES


class Problem(NamedTuple):
    """A sentence and the place that it is about; sorted as a reader goes through the files."""

    place: Place
    sentence: str

    def __str__(self) -> str:
        """As it is printed."""
        return f"{self.place}: {self.sentence}"


@dataclass(slots=True)
class Document:
    """The values of one YAML file or of several merged ones, and where each key and each value stands."""

    top: Place
    """The (first) file itself."""
    tree: dict[str, object] = field(default_factory=dict)
    keys: dict[Loc, Place] = field(default_factory=dict)
    values: dict[Loc, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    """What was found so far: keys that come twice, refused tags, variables that are not set."""
    overrides: list[str] = field(default_factory=list)
    """Each `path=value` that was put in: none that was refused, as a secret in plain text is."""
    unread: set[Loc] = field(default_factory=set)
    """The values with such a problem: what they would be is not known, so no more is said about them."""

    def place_of(self, loc: Loc, *, key: bool = False) -> Place:
        """Where the value at `loc` stands (or its key); for what is missing, where its nearest parent stands."""
        while loc not in self.values and loc:
            loc = loc[:-1]
        return self.keys.get(loc, self.values.get(loc, self.top)) if key else self.values.get(loc, self.top)


def read_document(path: Path, number: int = 0) -> Document:
    """The YAML file at `path`, the `number`th of several. Raises ConfigError with line and column for what is none.

    Aliases (a bomb in ten lines), merge keys and several documents are refused. Repeated keys and tags are problems of
    the document: the rest of it is read. Scalars are read by the core schema of YAML 1.2: `no`, `on` and `12:30` are
    text, `012` is 12.
    """
    text = _read_text(path)
    try:
        with closing(_Loader(text)) as loader:
            node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise ConfigError(not_yaml(str(path), text, error)) from None
    except yaml.reader.ReaderError as error:
        begun = text[: error.position]
        where = f"{path}:{begun.count(chr(10)) + 1}:{len(begun) - begun.rfind(chr(10))}"
        what = f"the character {error.character:#04x} is none of a text; is this the right file?"
        raise ConfigError(f"{where}: not YAML: {what}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path}: must be a mapping that begins with `pipeline: <name>`, not {_kind(node)}")
    folder = path.resolve().parent
    document = Document(Place(number, 0, 0, str(path), folder))

    def where_is(node: yaml.Node) -> Place:
        return Place(number, node.start_mark.line + 1, node.start_mark.column + 1, str(path), folder)

    document.tree = _Reader(document, where_is).mapping(node, ())
    return document


def parse_value(text: str, place: Place) -> object:
    """A YAML value given on the command line (`8`, `true`, `[a, b]`, `{x: 1}`, text). Raises ValueError."""
    try:
        with closing(_Loader(text)) as loader:
            node = loader.get_single_node()
    except yaml.YAMLError:
        return text  # what is not YAML is text: --set sink.root=gs://x: y
    document = Document(place)
    value = "" if node is None else _Reader(document, lambda _: place).value(node, ())
    if document.problems:
        raise ValueError("; ".join(problem.sentence for problem in document.problems))
    return value


_QUOTE = "[\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb]"
_TYPOGRAPHIC = re.compile(f"({_QUOTE}).*({_QUOTE})", re.DOTALL)
"""A text between the quotes that word processors make."""

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
            raise yaml.composer.ComposerError(
                None, None, "aliases (*name) are refused: repeat it, or quote a text with a *", mark
            )
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

    def __init__(self, document: Document, where: Callable[[yaml.Node], Place]) -> None:
        self._document, self._where = document, where

    def mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, object]:
        """A mapping with text keys; a repeated key is a problem, since YAML would take the last in silence."""
        self._document.values[loc] = self._where(node)
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                templated = isinstance(key_node, yaml.MappingNode) and bool(node.flow_style)
                self._problem(key_node, TEMPLATE if templated else f"a key must be text, not {_kind(key_node)}")
                self._document.unread.add(loc)
                continue
            key = self._key(key_node, loc)
            if key in found:
                first = self._document.keys[(*loc, key)]
                self._problem(
                    key_node, f"{_dotted((*loc, key))}: stands here already, in line {first.line}: keep one of the two"
                )
                continue
            self._document.keys[(*loc, key)] = self._where(key_node)
            found[key] = self.value(value_node, (*loc, key))
        return found

    def _key(self, node: yaml.ScalarNode, loc: Loc) -> str:
        """The key without blanks of other kinds around it, which are part of it to YAML, and seen by nobody."""
        written = str(node.value)
        if node.style is not None:
            return written
        unseen = [one for one in written if one.isspace() or unicodedata.category(one) == "Cf"]
        key = written.strip("".join(unseen))
        if key != written:
            kind = written[0] if written[0] in unseen else written[-1]
            named = f"{unicodedata.name(kind, 'character').lower()} (U+{ord(kind):04X})"
            sentence = f"a {named} stands beside this key, where only blanks may: delete it"
            self._problem(node, f"{_dotted((*loc, key))}: {sentence}")
        return key

    def value(self, node: yaml.Node, loc: Loc) -> object:
        """A mapping, a list or a scalar."""
        self._document.values[loc] = self._where(node)
        kind = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self.mapping(node, loc)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self.value(item, (*loc, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.style is None and (found := _TYPOGRAPHIC.fullmatch(node.value)):
            sentence = f"{found[1]} {found[2]} are no quotes to YAML, but part of the text: write ' or \" instead"
        elif isinstance(node, yaml.ScalarNode) and kind in _SCALARS:
            try:
                return _SCALARS[kind](str(node.value))
            except ValueError:  # an explicit tag: !!int x
                sentence = f"what stands here is no {kind}"
        else:
            tag = "a tag" if is_secret(loc) else f"the tag {node.tag}"
            sentence = f"{tag} is refused: write the plain value, in quotes where it begins with !"
        self._document.unread.add(loc)
        self._problem(node, f"{_dotted(loc)}: {sentence}" if loc else sentence)
        return None

    def _problem(self, node: yaml.Node, sentence: str) -> None:
        self._document.problems.append(Problem(self._where(node), sentence))


def _dotted(loc: Loc) -> str:
    """As `path_of`, of a tree that is not whole yet."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{shown_name(step)}" for step in loc).removeprefix(".")


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        hint = "; a setting is given with --set in front" if "=" in path.name else ""
        raise ConfigError(f"{path}: can't be read: {error.strerror}{hint}") from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: is larger than {FILE_BYTES_MAX // 1024} KiB: this is no pipeline's YAML")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
        what = f"is not UTF-8 (the byte {data[error.start]:#04x}); save it as UTF-8"
        raise ConfigError(f"{path}:{line}:{column}: {what}") from None


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
            text += f".{shown_name(step)}" if text else shown_name(step)
            tree = tree.get(step) if isinstance(tree, dict) else None
    return text


_LIST_STEP = re.compile(r"\[([^\]]*)\]")


def loc_of(text: str, tree: object) -> Loc:
    """The place that `text` begins with, as `path_of` writes it; as far down as the tree goes, () for none."""
    loc: list[str | int] = []
    while True:
        if isinstance(tree, list) and (found := _LIST_STEP.match(text)):
            numbers = {name: index for index, name in items_by_name(tree)}
            index = numbers.get(found[1], int(found[1]) if found[1].isdecimal() else len(tree))
            if index >= len(tree):
                return tuple(loc)
            loc.append(index)
            text, tree = text[found.end() :], tree[index]
            continue
        rest = text.removeprefix(".") if loc else text
        steps = sorted(tree, key=len) if isinstance(tree, dict) and (rest != text or not loc) else []
        key = next((step for step in reversed(steps) if re.match(rf"{re.escape(step)}(?!\w)", rest)), None)
        if key is None or not isinstance(tree, dict):
            return tuple(loc)
        loc.append(key)
        text, tree = rest[len(key) :], tree[key]
