"""Pages of a listing: names and common prefixes, strongly consistent, in the order of their UTF-8.

https://cloud.google.com/storage/docs/json_api/v1/objects/list
"""

import base64
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from support.gcs.conditions import number
from support.gcs.errors import GcsError

RESULTS_MAX = 1000
LAST = "\U0010ffff"


@dataclass
class Page:
    """Names of objects, prefixes, and where the next page begins (empty: nowhere)."""

    names: list[str] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    next_token: str = ""

    def __len__(self) -> int:
        return len(self.names) + len(self.prefixes)


def page_of(names: Sequence[str], query: Mapping[str, str]) -> Page:
    """The page of `names` (sorted) that the query's prefix, delimiter, offsets, maxResults and pageToken say."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    results_max = min(number(query, "maxResults") or RESULTS_MAX, RESULTS_MAX)
    end = query.get("endOffset", "")
    page = Page()
    last = _last_of(query.get("pageToken", ""))
    at = max(bisect_left(names, prefix), bisect_left(names, query.get("startOffset", "")))
    if last:
        at = max(at, _after(names, last, delimiter))
    while at < len(names) and names[at].startswith(prefix) and not (end and names[at] >= end):
        if len(page) == results_max:
            page.next_token = base64.urlsafe_b64encode(last.encode()).decode()
            break
        head, found, _ = names[at][len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        if found:
            last = prefix + head + delimiter
            page.prefixes.append(last)
        else:
            last = names[at]
            page.names.append(last)
        at = _after(names, last, delimiter)
    return page


def _after(names: Sequence[str], last: str, delimiter: str) -> int:
    """Where the names go on behind a name, or behind all names of a prefix."""
    whole_prefix = delimiter and last.endswith(delimiter)
    return bisect_right(names, last + LAST if whole_prefix else last)


def _last_of(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise GcsError(400, "invalid", f"Invalid page token {token!r}.") from None
