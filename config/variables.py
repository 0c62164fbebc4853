"""Fills `${V}`, `${V:-default}`, `${file:PATH}` and `$$` into values after the YAML is parsed."""

import re
from collections.abc import Mapping
from pathlib import Path

from streamlake.config.document import Document, path_of
from streamlake.config.values import Filled, Loc

SECRET_BYTES_MAX = 1024 * 1024

_VARIABLE = re.compile(
    r"\$\$|\$\{file:(?P<file>[^}]+)\}|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<or>:-(?P<default>[^}]*))?\}|(?P<bad>\$\{[^}]*\}?)"
)


def fill_variables(document: Document, environ: Mapping[str, str], base_dir: Path) -> dict[Loc, str]:
    """Replace every variable in the values of `document`, in place; keys stay as they are.

    A value that is one variable and nothing else becomes a `Filled` (later a number where one is wanted). What a
    variable gives is not read again, so it can't inject structure or further variables. Returns a sentence for each
    place with a variable that is unset, a file that can't be read, or a `${` that is none of the forms above.
    """
    filler = _Filler(document, environ, base_dir)
    document.tree = {key: filler.value(value, (key,)) for key, value in document.tree.items()}
    return filler.problems


class _Filler:
    def __init__(self, document: Document, environ: Mapping[str, str], base_dir: Path) -> None:
        self._document, self._environ, self._base_dir = document, environ, base_dir
        self.problems: dict[Loc, str] = {}

    def value(self, value: object, loc: Loc) -> object:
        if isinstance(value, dict):
            return {key: self.value(item, (*loc, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, (*loc, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        whole = _VARIABLE.fullmatch(value)
        if whole is not None and value != "$$":
            return Filled(self._one(whole, loc), value, secret=whole["file"] is not None)
        text = _VARIABLE.sub(lambda match: self._one(match, loc), value)
        secret = any(match["file"] for match in _VARIABLE.finditer(value))
        return Filled(text, value, secret=True) if secret else text

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
        path = self._base_dir / name
        try:
            with path.open("rb") as file:
                data = file.read(SECRET_BYTES_MAX + 1)
            if len(data) > SECRET_BYTES_MAX:
                return self._problem(loc, f"the file {path} is larger than 1 MiB")
            return data.decode().rstrip("\r\n")
        except OSError as error:
            return self._problem(loc, f"the file {path} can't be read: {error.strerror}")
        except UnicodeDecodeError:
            return self._problem(loc, f"the file {path} is not UTF-8")

    def _problem(self, loc: Loc, sentence: str) -> str:
        self.problems[loc] = f"{self._document.place_of(loc)}: {path_of(loc, self._document.tree)}: {sentence}"
        return ""
