"""Messages and fields with everything folded away that differs from record to record: one rule, one text."""

import json
import re

MESSAGE_CHARS_MAX = 4_000
"""Of a message, looked at: a validator of one's own may put whole records into it."""
FOLDED_CHARS_MAX = 200

_ITEM = r'(?:"…"|\#)'
_CUT = r",?[ ]?(?:or?|an?d?)?[ ]?…$"

_WITH_VALUE = re.compile(r" breaks `[^`]*` with ")
_CUT_VALUE = re.compile(r"…(?=: |$)")
_VARYING = re.compile(
    r"""
      (?P<kept> `[^`]*` )                                                   # the name of a rule or an option
    | (?P<quoted> (?<!\w) b? (?: "(?:[^"\\]|\\.)*(?:"|…$) | '(?:[^'\\]|\\.)*(?:'|…$) ) )
    | (?<!\w) [0-9a-fA-F]{8} (?:-[0-9a-fA-F]{4}){3} -[0-9a-fA-F]{12} (?!\w)   # a UUID
    | (?<!\w) 0x[0-9a-fA-F]+ (?!\w)
    | (?<!\w) [+-]? \d+ (?:[.,:]\d+)* (?:[eE][+-]?\d+)? [a-zA-Zµ%]{0,3} (?!\w)   # a number, and its unit
    | (?<![\w/]) (?=(?:[^\W\d]*\d){4}) \w+                                    # an identifier: a word with four digits
    """,
    re.VERBOSE | re.DOTALL,
)
_LIST = re.compile(rf"({_ITEM})(?:(?:,[ ]{_ITEM})+(?:,?[ ](?:or|and)[ ]{_ITEM}|{_CUT})?|{_CUT})", re.VERBOSE)
_INDEX = re.compile(r"/\d+(?=/|$)")
_JSON = json.JSONDecoder()


def folded_message(message: str) -> str:
    """`message` with `"…"` for each quoted value, `#` for each number, and `…` for the value that broke a rule.

    What stands in backticks is kept, for that names a rule. Cut to 200 characters.
    """
    text = _without_value(message[:MESSAGE_CHARS_MAX])
    text = _VARYING.sub(_fold, text)
    return _capped(_LIST.sub(r"\1, …", text))


def folded_field(field: str) -> str:
    """A JSON pointer with `*` for each place in a list, as `LetterFilter.field` takes it. Cut to 200 characters."""
    return _capped(_INDEX.sub("/*", field))


def _without_value(text: str) -> str:
    """What our validators say, "FIELD breaks `RULE` with VALUE: why", where VALUE is JSON, cut or not.

    A check of the user's own may say the value again in its why: there it goes, too.
    """
    begun = _WITH_VALUE.search(text)
    if begun is None:
        return text
    first = begun.end()
    value: object = None
    try:
        value, following = _JSON.raw_decode(text, first)
    except (ValueError, RecursionError):
        following = -1
    if not text.startswith(": ", following):
        cut = _CUT_VALUE.search(text, first)
        if cut is None:
            return text
        following = cut.end()
    why = text[following:]
    if isinstance(value, str) and value.strip():
        why = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "…", why)
    return f"{text[:first]}…{why}"


def _fold(found: "re.Match[str]") -> str:
    if found["kept"] is not None:
        return found["kept"]
    return "#" if found["quoted"] is None else '"…"'


def _capped(text: str) -> str:
    return text if len(text) <= FOLDED_CHARS_MAX else f"{text[: FOLDED_CHARS_MAX - 1]}…"
