"""One decided answer for everything RFC 8259 leaves open, in every validator and for every payload."""

import json
import re
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.batches import batch_of
from validators import making, oracle
from validators.cases import CASES, Case, nested
from validators.making import OF_JSON
from validators.texts import json_texts, payloads

from streamlake.engine.contracts import Validator
from streamlake.engine.records import Refusal
from streamlake.plugins.validators.decode import Gate, pieces_of
from streamlake.plugins.validators.scan import may_overflow

DOCUMENTATION = Path(__file__).parent.parent.parent / "docs" / "validation.md"
GOOD = b'{"good":[1,2]}'
VALIDATORS = {name: make() for name, make in OF_JSON.items()}


@pytest.mark.parametrize("name", ["none", *OF_JSON])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_row_of_the_table_has_the_same_answer_in_every_validator(name: str, case: Case) -> None:
    validator: Validator = making.none() if name == "none" else VALIDATORS[name]
    # Neighbours on both sides: an answer must not depend on them, nor touch them.
    refused = making.refused(validator, GOOD, case.payload, GOOD)
    if case.answer == "accepted" or (name == "none" and case.payload is not None):
        assert not refused
        return
    (refusal,) = refused
    assert (refusal.index, refusal.reason, refusal.field) == (1, case.answer, case.field)
    assert refusal.message
    assert len(refusal.message) <= 300


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_oracle_of_the_property_tests_knows_the_table(case: Case) -> None:
    assert oracle.answer(case.payload) == case.answer


def test_the_documentation_shows_exactly_the_rows_that_are_tested() -> None:
    row = re.compile(r"^\| ([^|`]+?) \| (accepted|malformed|invalid|tombstone)\b", re.MULTILINE)
    first_answers: dict[str, str] = {}
    for case in CASES:
        first_answers.setdefault(case.row, case.answer)
    assert dict(row.findall(DOCUMENTATION.read_text())) == first_answers


@settings(max_examples=150, deadline=None)
@given(st.lists(payloads, max_size=6))
@example([None, b"", b"\0{", b"[1]"])
@example([b'{"a":1e400}', b'{"a":', b'{"a":18446744073709551616}'])
def test_validators_agree_with_each_other_and_with_the_oracle_on_whole_batches(batch: list[bytes | None]) -> None:
    expected = [
        (index, answer) for index, payload in enumerate(batch) if (answer := oracle.answer(payload)) != "accepted"
    ]
    by_json = making.refused(VALIDATORS["json"], *batch)
    assert [(refusal.index, refusal.reason) for refusal in by_json] == expected
    assert list(making.refused(VALIDATORS["jsonschema"], *batch)) == list(by_json)
    assert list(making.refused(VALIDATORS["pydantic"], *batch)) == list(by_json)


@settings(max_examples=150, deadline=None)
@given(st.lists(payloads, max_size=6), st.sampled_from([1, 2, 64]), st.sampled_from(["object", "any"]))
def test_the_look_at_a_whole_batch_decides_as_the_look_at_one_payload(
    batch: list[bytes | None], depth_max: int, top_level: str
) -> None:
    gate = Gate(depth_max, top_level)  # type: ignore[arg-type]
    exact = [refusal for index, payload in enumerate(batch) if (refusal := gate.refusal(index, payload))]
    by_batch = making.refused(making.json_(depth_max=depth_max, top_level=top_level), *batch)
    assert [refusal for refusal in by_batch if refusal not in exact] == []
    assert len(by_batch) == len(exact)


@settings(deadline=None)
@given(json_texts)
def test_what_is_accepted_means_the_same_to_two_decoders(payload: bytes) -> None:
    if oracle.answer(payload, top_level="any") == "accepted":
        assert orjson.loads(payload) == json.loads(payload)


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(-500, 500), st.integers(0, 400))
def test_a_number_that_overflows_is_never_taken_for_one_that_can_not(whole: int, exponent: int, zeros: int) -> None:
    text = f"1{'0' * whole}.{'0' * zeros}e{exponent}"
    if float(text) == float("inf"):
        assert may_overflow(text.encode())


@pytest.mark.parametrize("name", OF_JSON)
def test_an_array_at_the_top_is_accepted_where_the_option_says_so(name: str) -> None:
    validator = OF_JSON[name](top_level="any")
    assert not making.refused(validator, b"[1]", b"1", b'"a"', b"null", b"{}")
    assert [refusal.reason for refusal in making.refused(validator, b"[1", b"")] == ["malformed", "malformed"]


@pytest.mark.parametrize("depth", [1, 3, 64, 200])
@pytest.mark.parametrize("name", OF_JSON)
def test_the_depth_is_a_setting_and_counts_to_the_level(name: str, depth: int) -> None:
    validator = OF_JSON[name](depth_max=depth)
    refused = making.refused(validator, nested(depth), nested(depth + 1), nested(max(1, depth - 1)))
    assert [(refusal.index, refusal.reason) for refusal in refused] == [(1, "malformed")]
    assert f"deeper than {depth} levels" in refused[0].message


@pytest.mark.parametrize("name", OF_JSON)
def test_doubtful_and_broken_payloads_are_found_wherever_they_are_in_a_large_batch(name: str) -> None:
    batch: list[bytes | None] = [GOOD] * 2000
    for index, payload in {0: b"", 511: nested(65), 512: b"[1]", 1023: None, 1700: b'{"a":1e400}', 1999: b"{"}.items():
        batch[index] = payload
    batch[600:603] = [b'{"a":9999999999999999999}', b'{"a":"' + b"7" * 50 + b'"}', b'{"a":[' + b"{}," * 99 + b"{}]}"]
    refused = making.refused(VALIDATORS[name], *batch)
    assert [refusal.index for refusal in refused] == [0, 511, 512, 1023, 1700, 1999]


def test_a_batch_of_nothing_is_accepted() -> None:
    for validator in VALIDATORS.values():
        assert not validator.validate(batch_of([])).refused


def test_pieces_cover_all_payloads_once_and_stay_small() -> None:
    values = [b"x" * 1000] * 700 + [b"y" * 3_000_000] * 3 + [b"", None, b"z"]
    pieces = list(pieces_of(values))
    assert [value for _, piece in pieces for value in piece] == values
    assert [first for first, _ in pieces] == [sum(len(before) for _, before in pieces[:i]) for i in range(len(pieces))]
    assert max(sum(len(value or b"") for value in piece) for _, piece in pieces if len(piece) > 1) <= 1 << 20


def test_a_refusal_of_a_number_names_it() -> None:
    (refusal,) = making.refused(VALIDATORS["json"], b'{"a":[0,18446744073709551616]}')
    message = "/a/1 is 18446744073709551616, a number that no 64-bit type holds"
    assert refusal == Refusal(0, "invalid", message, "/a/1")


def test_a_refusal_of_bad_utf8_says_which_byte_and_where() -> None:
    (refusal,) = making.refused(VALIDATORS["json"], b'{"a":"\xc3\xa4\xff"}')
    assert refusal == Refusal(0, "malformed", "not UTF-8: byte 0xff at position 8")


def test_a_refusal_of_a_tombstone_is_the_same_with_and_without_a_schema() -> None:
    assert making.refused(making.none(), b"x", None) == making.refused(VALIDATORS["json"], b"{}", None)
