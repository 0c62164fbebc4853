"""A validator's answer is looked at before anything is built on it: what is no verdict parks, and refuses nobody."""

from typing import Any

import pyarrow as pa
import pytest

from streamlake.engine.errors import ValidatorError
from streamlake.engine.records import Refusal, Verdict
from streamlake.engine.verdicts import sound


def refusal(index: Any = 0, reason: Any = "invalid", message: Any = "no", field: Any = None) -> Refusal:
    return Refusal(index, reason, message, field)


def test_a_sound_verdict_stays_as_it_is() -> None:
    verdict = Verdict([refusal(1), refusal(3)], [0], pa.table({"a": [1]}))
    assert sound(verdict, 4) == verdict


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "answered with NoneType, not with a Verdict"),
        (Verdict([refusal(1), refusal(1)]), "refused index 1 after 1"),
        (Verdict([refusal(2), refusal(1)]), "refused index 1 after 2"),
        (Verdict([refusal(4)]), "refused index 4 of 4 messages"),
        (Verdict([refusal(-1)]), "refused index -1 of 4 messages"),
        (Verdict([refusal("1")]), "refused index '1'"),
        (Verdict([], [1, 1]), "skipped index 1 after 1"),
        (Verdict([refusal(1)], [1]), "both refused and skipped the message with index 1"),
        (Verdict([refusal(reason="my own")]), "for the reason 'my own'; there are crash, invalid"),
        (Verdict([refusal(message=None)]), "are text, those of index 0 are NoneType and NoneType"),
        (Verdict(["no"]), "refused with str, not with a Refusal"),  # type: ignore[list-item]  # as a plugin might
        (Verdict([refusal(1)], (), pa.table({"a": [1]})), "columns have 1 rows for 3 accepted messages"),
    ],
)
def test_an_answer_that_can_be_no_verdict_parks(answer: object, why: str) -> None:
    with pytest.raises(ValidatorError) as caught:
        sound(answer, 4)
    assert why in str(caught.value)
    assert caught.value.parks


def test_a_message_that_no_utf_8_can_hold_is_escaped() -> None:
    (found,) = sound(Verdict([refusal(message="\ud800", field="/\udfff")]), 1).refused
    assert (found.message, found.field) == ("\\ud800", "/\\udfff")
