"""What the demo says of the posted orders: each sentence is false where its thing is not so."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from streamlake.engine.local.demo.edge import Posted, account

RECORDS = [b'{"order_id":1}', b"bad", b'{"order_id":2}', b'{"order_id":3}', b"worse"]
RESULTS: list[dict[str, Any]] = [
    {"status": "stored", "partition": 0, "offset": 7},
    {"status": "refused", "reason": "malformed", "message": "not JSON"},
    {"status": "stored", "partition": 1, "offset": 7},
    {"status": "stored", "partition": 0, "offset": 8},
    {"status": "refused", "reason": "invalid", "message": "a field"},
]
FOUND = {(0, 7): RECORDS[0], (1, 7): RECORDS[2], (0, 8): RECORDS[3]}
LETTERS = [{"reason": "invalid", "message": "a field"}, {"reason": "malformed", "message": "not JSON"}]


def holding(status: int, found: Mapping[tuple[int, int], bytes], letters: Sequence[Mapping[str, Any]]) -> list[bool]:
    posted = Posted(RECORDS, status, {"results": RESULTS})
    return [holds for _, holds in account(posted, found, letters)]


def test_all_of_it_holds_where_it_is_so() -> None:
    assert holding(207, FOUND, LETTERS) == [True, True, True]


@pytest.mark.parametrize(
    ("status", "found", "letters", "false"),
    [
        (202, FOUND, LETTERS, 0),
        (207, {**FOUND, (0, 8): b'{"order_id": 3}'}, LETTERS, 1),
        (207, {(0, 7): RECORDS[0]}, LETTERS, 1),
        (207, FOUND, LETTERS[:1], 2),
        (207, FOUND, [LETTERS[0], {**LETTERS[1], "message": "another"}], 2),
    ],
)
def test_each_sentence_is_false_where_it_is_not_so(
    status: int, found: Mapping[tuple[int, int], bytes], letters: Sequence[Mapping[str, Any]], false: int
) -> None:
    expected = [True, True, True]
    expected[false] = False
    assert holding(status, found, letters) == expected
