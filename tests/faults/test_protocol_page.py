"""docs/commit-protocol.md says of each failure point on the way of a worker what the next worker finds."""

import re

from support.source import ROOT

from streamlake.engine.failpoints import POINTS

PAGE = (ROOT / "docs/commit-protocol.md").read_text()


def test_the_page_says_of_each_failure_point_what_it_leaves() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE.partition("## Where a worker may die\n")[2], re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == list(POINTS)
