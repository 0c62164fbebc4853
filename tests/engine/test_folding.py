"""What differs from record to record is folded out of messages and fields, and what names the rule is left in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlake.engine.folding import FOLDED_CHARS_MAX, folded_field, folded_message
from streamlake.engine.operations.dead_types import LetterFilter
from streamlake.engine.records import DeadLetter, TopicPartition
from streamlake.plugins.validators.wording import message_of, pointer_of, shown

NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=150) | st.text(min_size=130, max_size=150)
LISTS = st.lists(SCALARS, max_size=5)
JSON = SCALARS | LISTS | st.dictionaries(st.text(max_size=20), SCALARS | LISTS, max_size=5)
RULES = [
    "/amount breaks `minimum` with {}: it is less than the minimum of 0",
    '/items/3/qty breaks `type` with {}: it is not of types "null", "integer"',
    "/a breaks `int_from_float` with {}: Input should be a valid integer, got a number with a fractional part",
    "the record breaks `value_error` with {}: Value error, it isn't known: ask us",
]


@pytest.mark.parametrize("rule", RULES)
@given(value=JSON, other=JSON)
def test_two_values_that_break_one_rule_are_one_message(rule: str, value: object, other: object) -> None:
    folded = folded_message(message_of(rule.format(shown(value))))
    assert folded == folded_message(message_of(rule.format(shown(other))))
    assert folded == folded_message(rule.format("1"))


@given(name=st.text(), number=st.integers() | st.floats(0, 1e9), quoted=st.binary())
def test_quoted_values_and_numbers_of_somebody_elses_message_are_folded(name: str, number: float, quoted: str) -> None:
    ours = f"ORD-{abs(int(number))}"
    message = f"order {name!r} isn't known, {number} tries ({ours}), not {quoted!r} but {number}ms"
    assert folded_message(message) == 'order "…" isn\'t known, # tries (ORD-#), not "…" but #'


@given(st.text())
def test_any_message_is_folded_to_a_length_and_folding_again_changes_nothing(text: str) -> None:
    folded = folded_message(text)
    assert len(folded) <= FOLDED_CHARS_MAX
    if len(folded) < FOLDED_CHARS_MAX:
        assert folded_message(folded) == folded


SEEN = """\
must not be negative => must not be negative
not UTF-8: byte 0xff at position 17 => not UTF-#: byte # at position #
nested deeper than 64 levels (`depth_max`) => nested deeper than # levels (`depth_max`)
`rule 17` is kept, and /line2 and int64 are no numbers => `rule 17` is kept, and /line2 and int64 are no numbers
3.5s late, at 2026-01-31T06:00:00Z, by -1e-7 => # late, at #-#-#:#, by #
no customer 550e8400-e29b-41d4-a716-446655440000 => no customer #
no customer cus_9s6XKzkNRiz8i3 here => no customer # here
the orders' total isn't a 5" pipe's => the orders' total isn't a #" pipe's
it is not one of "EUR", "USD" or 58 other candidates => it is not one of "…", … other candidates
Input should be 'a', "b" or 'c' => Input should be "…", …
Input should be 'a', 'b… => Input should be "…", …
Input should be 'a', 'b' o… => Input should be "…", …
Input should be 'a',… => Input should be "…", …
/a breaks `x` with [1,2,{"y: ":"z…: why => /a breaks `x` with …: why
/a breaks `x` with "y…: it is not of types "null", "y" => /a breaks `x` with …: it is not of types "…", …
/a breaks `x` with " => /a breaks `x` with "
"""


@pytest.mark.parametrize("line", SEEN.splitlines())
def test_what_a_reader_sees(line: str) -> None:
    message, _, folded = line.partition(" => ")
    assert folded_message(message) == folded


def test_a_message_that_is_a_whole_record_costs_no_more_than_its_beginning() -> None:
    assert len(folded_message("'" * 10**7)) <= FOLDED_CHARS_MAX
    assert folded_message(r"\"" * 10**6) == folded_message(r"\"" * 10**7)


@given(st.lists(st.integers(0, 10**6) | st.text("ab*1/~", min_size=1), min_size=1, max_size=8))
def test_a_folded_field_is_a_filter_that_finds_the_field(path: list[int | str]) -> None:
    field = pointer_of(path)
    assert field is not None
    letter = DeadLetter(TopicPartition("t", 0), 1, 0, 1, None, b"", (), "invalid", field, "", 1, 0)
    assert LetterFilter(field=folded_field(field)).wants(letter)


def test_places_in_lists_are_folded_out_of_a_field() -> None:
    assert folded_field("/items/0/lines/17/qty2") == "/items/*/lines/*/qty2"
    assert folded_field("/items/3") == "/items/*"
    assert folded_field("/2nd/a1/-") == "/2nd/a1/-"
