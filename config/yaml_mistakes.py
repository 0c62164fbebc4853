"""What is wrong with a text that is no YAML, in the words of whoever wrote it rather than in the parser's."""

import re

import yaml


def not_yaml(name: str, text: str, error: yaml.MarkedYAMLError) -> str:
    """A sentence with file, line and column, for each mistake that everybody makes in words of its own."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return f"{name}: not YAML: {error.problem or error.context}"
    opened = error.context_mark
    if "quoted scalar" in str(error.context) and opened is not None:
        return _said(name, opened, "not YAML: the quote that opens here is never closed; close it, as in 'text'")
    lines = text.splitlines()
    begun = _begun(lines, mark, error)
    if begun is not None:
        return f"{name}:{begun + 1}:{_indent(lines[begun]) + 1}: not YAML: {_no_pair(lines, begun)}"
    return _said(name, mark, _in_words(text, mark, error))


def _begun(lines: list[str], mark: yaml.Mark, error: yaml.MarkedYAMLError) -> int | None:
    """The line in which a name would have to stand and none does: the parser reads on, and stops below it."""
    if "could not find expected ':'" in str(error.problem) and error.context_mark is not None:
        return error.context_mark.line
    if mark.line < len(lines) and lines[mark.line].lstrip().startswith("-----BEGIN"):
        return mark.line
    if "mapping values" not in str(error.problem) or _has_pair(lines[mark.line][: mark.column]):
        return None
    begun = mark.line
    while begun > 0 and not _has_pair(lines[begun - 1]) and not lines[begun - 1].lstrip().startswith(("#", "---")):
        begun -= 1
    while not lines[begun].strip():
        begun += 1
    return begun if begun < mark.line else None


def _has_pair(line: str) -> bool:
    return re.search(r":(\s|$)", line) is not None


def _no_pair(lines: list[str], number: int) -> str:
    """What is wrong with a line that is no `name: value`. Of its text only what looks like a setting's name is told."""
    if _of_template(lines[number]):
        return TEMPLATE
    above = lines[: number + 1]
    if "-----BEGIN" in next((line for line in reversed(above) if "-----" in line), ""):
        keys = [found[1] for line in above if (found := re.match(r"[\s-]*([a-z_]+):(\s|$)", line))]
        named = f"`{keys[-1]}: |`" if keys else "`ca: |`"
        return (
            f"this is a line of a PEM text: write {named} above it, and begin each of its lines further right than that"
        )
    line = lines[number]
    if found := re.match(r"[\s-]*([a-z_]{1,40})\s*=(?!=)", line):
        return f"a setting has a colon and a blank behind its name, not =: write `{found[1]}: …`"
    if found := re.match(r"[\s-]*([a-z_]{1,40}):(?!//)\S", line):
        return f"a blank is missing behind the colon: write `{found[1]}: …`"
    return (
        "this line is no `name: value`: is a colon missing behind the name, or quotes around a text with a colon below?"
    )


def _in_words(text: str, mark: yaml.Mark, error: yaml.MarkedYAMLError) -> str:
    said, opened = f"not YAML: {error.problem or error.context}", error.context_mark
    lines = text.splitlines()
    if text[max(0, mark.index - 1) : mark.index + 1] == "${":
        said += '; inside { } a variable needs quotes: "${NAME}"'
    elif mark.line < len(lines) and _of_template(lines[mark.line]):
        said = f"not YAML: {TEMPLATE}"
    elif mark.line < len(lines) and "\t" in lines[mark.line]:
        said += "; indent with spaces, not with tabs"
    elif found := _BEGINS_NO_TEXT.search(str(error.problem)):
        said = f"not YAML: a text that begins with {found['one'] or '| or >'} needs quotes around it, as in 'text'"
    elif "while parsing a flow" in str(error.context) and opened is not None:
        said += f"; the bracket that opens in line {opened.line + 1} is not closed before"
    elif "another document" in str(error.problem):
        said += " (---): a file is one pipeline"
    else:
        return _indented(lines, mark, error) or _behind(error) or said
    return said


def _said(name: str, mark: yaml.Mark, sentence: str) -> str:
    return f"{name}:{mark.line + 1}:{mark.column + 1}: {sentence}"


def _behind(error: yaml.MarkedYAMLError) -> str:
    """A value that goes on where another one is over, or begins one too many."""
    if "mapping values" in str(error.problem):
        hint = "is a blank missing behind a colon above, or quotes around a text with a colon?"
        return f"not YAML: {error.problem}: {hint}"
    if "found '<scalar>'" in str(error.problem):
        return (
            "not YAML: text stands behind a value that is over: is a quote before it closed too early, or one above "
            "never closed?"
        )
    return ""


TEMPLATE = '{{ }} and {% %} are of a template engine (Helm, Jinja): let it write this file first, or write "${NAME}"'
_BEGINS_NO_TEXT = re.compile(r"character '(?P<one>[@%`])' that cannot start|expected chomping or indentation")


def _of_template(line: str) -> bool:
    """Whether `{{ x }}` or `{% x %}` stands in it outside quotes."""
    return re.search(r"\{\{|\{%", re.sub(r"'[^']*'|\"[^\"]*\"", "", line)) is not None


def _indented(lines: list[str], mark: yaml.Mark, error: yaml.MarkedYAMLError) -> str:
    """A line that begins in a column where none of those above it does."""
    here = lines[mark.line] if mark.line < len(lines) else ""
    above = [line for line in lines[: mark.line] if line.strip() and not line.lstrip().startswith("#")]
    if not above or not here.strip():
        return ""
    before, column = above[-1], _indent(here)
    if "mapping values" in str(error.problem) and column > _indent(before) and re.search(r":\s+\S", before):
        key = before.strip().partition(":")[0]
        return (
            f"not YAML: this line begins {column - _indent(before)} columns further right than {key!r} above it, which "
            f"has a value already; begin it in column {_indent(before) + 1}, as that one"
        )
    columns = sorted({_indent(line) + 1 for line in above})
    if "<block end>" in str(error.problem) and column == mark.column and column + 1 not in columns:
        return (
            f"not YAML: this line begins in column {column + 1}, where nothing above begins; lines of one mapping or "
            f"list begin in the same column: here {_listed(columns)}"
        )
    return ""


def _indent(line: str) -> int:
    """How many blanks it begins with."""
    return len(line) - len(line.lstrip(" "))


def _listed(columns: list[int]) -> str:
    return " or ".join(map(str, columns))
