"""What is said of a topic that the cluster does not have: the nearest one that is there, and how to make it."""

import re
from collections.abc import Collection
from difflib import get_close_matches

_DEAD_LETTERS = re.compile(r"dlq|dlt|dead|error|fail|reject|refused|invalid|poison", re.IGNORECASE)
"""What a name has that was meant for dead letters."""


def absent(topic: str, servers: str, shown: Collection[str], apply: str, *, dead_letters: bool = False) -> str:
    """A sentence; `shown` are the topics that may have been meant, `apply` the words of the command for the pipeline.

    A topic of data is never what was meant for dead letters, alike as the two names are.
    """
    meant = [name for name in shown if name != topic and (not dead_letters or _DEAD_LETTERS.search(name))]
    near = get_close_matches(topic, meant, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"the cluster at {servers} has no topic {topic!r}; {hint}`streamlake topics apply {apply}` makes it"
