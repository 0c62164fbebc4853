"""Fills `${V}`, `${V:-default}`, `${file:PATH}` and `$$` into values after the YAML is parsed."""

import re
from collections.abc import Mapping

from streamlake.config.document import Document
from streamlake.config.problems import problem_at
from streamlake.config.secrets import is_secret
from streamlake.config.values import Elsewhere, Filled, Loc

SECRET_BYTES_MAX = 1024 * 1024

_VARIABLE = re.compile(
    r"\$\$|\$\{file:(?P<file>[^}]+)\}|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<or>:-(?P<default>[^}]*))?\}|(?P<bad>\$\{[^}]*\}?)"
)
_WITHOUT_BRACES = re.compile(r"(?<!\\)\$(?P<name>[A-Z][A-Z0-9_]+)(?![A-Za-z0-9_])")
"""A variable as a shell has it. A regular expression may have `\\$USD`."""


def fill_variables(document: Document, environ: Mapping[str, str]) -> None:
    """Replace every variable in the values of `document`, in place; keys stay as they are.

    A value that is one variable and nothing else becomes a `Filled` (later a number where one is wanted). What a
    variable gives is not read again, so it can't inject structure or further variables. A variable that is unset, a
    file that can't be read, a `$NAME` as in a shell, and a `${` that is none of the forms above are problems of the
    document. A file's path starts at the folder of the YAML in which it stands; of a YAML in another folder than the
    first one's every text keeps that folder, since it may be a path, too.
    """
    filler = _Filler(document, environ)
    document.tree = {key: filler.value(value, (key,)) for key, value in document.tree.items()}


class _Filler:
    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._document, self._environ = document, environ

    def value(self, value: object, loc: Loc) -> object:
        if isinstance(value, dict):
            return {key: self.value(item, (*loc, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, (*loc, index)) for index, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        self._without_braces(value, loc)
        folder = self._document.place_of(loc).folder
        whole = _VARIABLE.fullmatch(value)
        if whole is not None and value != "$$":
            return Filled(self._one(whole, loc), value, folder, secret=whole["file"] is not None)
        text = _VARIABLE.sub(lambda match: self._one(match, loc), value)
        if any(match["file"] for match in _VARIABLE.finditer(value)):
            return Filled(text, value, folder, secret=True)
        return text if folder == self._document.top.folder else Elsewhere(text, folder)

    def _without_braces(self, value: str, loc: Loc) -> None:
        """`$HOME/lake` would be a folder of that name; of a secret only all of it is taken for a variable.

        Checks of `quality:` have regular expressions and SQL, in which a $ has a meaning of its own.
        """
        found = _WITHOUT_BRACES.search(_VARIABLE.sub("}", value))
        if found is None or loc[:1] == ("quality",) or (is_secret(loc) and found[0] != value):
            return
        name = "NAME" if is_secret(loc) else found["name"]
        self._problem(loc, f"${name} is no variable: write ${{{name}}}, or $${name} where ${name} is the text itself")

    def _one(self, match: re.Match[str], loc: Loc) -> str:
        if match[0] == "$$":
            return "$"
        if match["file"] is not None:
            return self._file(match["file"], loc)
        if match["bad"] is not None:
            return self._problem(
                loc, f"{match[0]} is no variable: write ${{NAME}}, ${{NAME:-default}} or ${{file:PATH}}"
            )
        given = self._environ.get(match["name"])
        if match["or"] is not None:
            return given or match["default"]
        if given is None:
            hint = f"set it, or give a default: ${{{match['name']}:-…}}"
            return self._problem(loc, f"the variable {match['name']} is not set: {hint}")
        return given

    def _file(self, name: str, loc: Loc) -> str:
        path = self._document.place_of(loc).folder / name
        try:
            with path.open("rb") as file:
                data = file.read(SECRET_BYTES_MAX + 1)
            if len(data) > SECRET_BYTES_MAX:
                return self._problem(loc, f"the file {path} is larger than 1 MiB")
            return data.decode().rstrip("\r\n")
        except OSError as error:
            hint = "; ~ is a home to shells alone: write the whole path" if name.startswith("~") else ""
            return self._problem(loc, f"the file {path} can't be read: {error.strerror}{hint}")
        except UnicodeDecodeError:
            return self._problem(loc, f"the file {path} is not UTF-8")

    def _problem(self, loc: Loc, sentence: str) -> str:
        self._document.unread.add(loc)
        self._document.problems.append(problem_at(loc, sentence, self._document, key=False))
        return ""
