"""Which settings are secrets, so that none is shown, and none comes in where everybody sees it."""

import re
from collections.abc import Iterator, Sequence

_WORDS = r"password|secret|token(?!_url)|credential|jaas|api_?key|private"
SECRET_WORDS = re.compile(rf"{_WORDS}|^key$", re.IGNORECASE)
"""A setting whose name has one of these in it is never shown."""

_SECRETS = re.compile(r"(password|passphrase|secret|token|jaas\.config|api_?key|private_?key|\.pem)$", re.IGNORECASE)
"""How the names of settings end whose value is a secret itself, and no path to one."""
_FROM_ELSEWHERE = re.compile(r"\$\{(file:[^}]+|[A-Za-z_][A-Za-z0-9_]*(:-)?)\}")
_RUN_TOGETHER = re.compile(
    rf"((?:{SECRET_WORDS.pattern.removesuffix('|^key$')})\w*)[:=\s{{\[].*", re.IGNORECASE | re.DOTALL
)


def is_secret(loc: Sequence[str | int]) -> bool:
    """Whether what stands there may be a secret, by the names that lead to it; any librdkafka property may."""
    return "properties" in loc or any(isinstance(step, str) and SECRET_WORDS.search(step) for step in loc)


def shown_name(name: str) -> str:
    """A key as it may be shown: `password:hunter2` (a space is missing) is one key to YAML, and holds a secret."""
    return _RUN_TOGETHER.sub(r"\1…", name)


def open_secrets(name: str, value: object) -> Iterator[str]:
    """The names of the secrets in a value given for `name` in plain text, not by a variable."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from open_secrets(f"{name}.{key}", below)
    elif isinstance(value, list):
        for item in value:
            yield from open_secrets(name, item)
    elif value not in (None, ""):
        is_secret = _SECRETS.search(name) or "-----BEGIN" in str(value)
        if is_secret and not _FROM_ELSEWHERE.fullmatch(str(value)):
            yield name
