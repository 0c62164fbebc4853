"""Each check of the suite catches a validator that breaks its promise, and passes a sound one."""

import pytest
from testing import broken_validators as broken

from streamlake.engine.contracts import Validator
from streamlake.engine.testing import VALIDATOR_CHECKS, check_validator

CAUGHT: dict[str, list[tuple[type[Validator], str]]] = {
    "an_unknown_option_is_refused": [(broken.TakesAnyOption, "from_options took the option no_such_option")],
    "it_says_what_it_is": [
        (broken.SaysAnotherKind, "payload is 'text' (see Validator.payload in streamlake.engine.contracts)"),
        (broken.HasANameOfItsOwn, "two made alike say"),
        (broken.CountsInItsFingerprint, "its fingerprint changes with what it sees"),
    ],
    "good_ones_are_accepted_and_bad_ones_refused": [
        (broken.RefusesGoodOnes, "of b'{\"id\": 1}' it says"),
        (broken.AcceptsBadOnes, "it accepts b'no'"),
    ],
    "no_payload_makes_it_raise": [(broken.Raises, "made it raise UnicodeDecodeError")],
    "every_answer_is_a_verdict": [
        (broken.KnowsAnotherReason, "it refused for the reason 'ugly'"),
        (broken.SaysNothing, "it refuses without a message"),
        (broken.RefusesTwice, "indices ascend, each comes once"),
        (broken.ForgetsColumns, "columns asked for: True, made: False"),
        (broken.HasARowTooMany, "accepted messages"),
    ],
    "an_empty_batch_is_nothing": [(broken.RefusesWhatIsNotThere, "it refused index 0")],
    "its_answers_never_change": [
        (broken.ChangesItsMind, "asked again it answers otherwise"),
        (broken.RemembersWhatItSaw, "asked again it answers otherwise"),
    ],
    "slices_do_not_matter": [(broken.LooksAtItsNeighbours, "each alone")],
    "what_it_calls_json_is_json": [(broken.CallsAnythingJson, "it accepts b'', which is no JSON")],
    "a_batch_is_left_as_it_was": [
        (broken.ChangesTheBatch, "it changed the values of a batch"),
        (broken.WantsAList, "of values that are no list it says something else"),
    ],
    "columns_are_the_same_for_all_slices": [
        (broken.GuessesTypes, "the columns differ"),
        (broken.ForgetsColumns, "for some slices it makes no columns"),
    ],
}


def test_every_check_has_a_validator_that_it_catches() -> None:
    assert set(CAUGHT) == {check.name for check in VALIDATOR_CHECKS}


@pytest.mark.parametrize("columns", [False, True])
def test_a_sound_one_passes(columns: bool) -> None:
    check_validator(broken.Sound, {}, accepted=[broken.GOOD], refused=[broken.BAD], columns=columns)


@pytest.mark.parametrize(
    ("name", "validator", "said"), [(name, one, said) for name, caught in CAUGHT.items() for one, said in caught]
)
def test_a_broken_validator_is_caught(name: str, validator: type[Validator], said: str) -> None:
    (check,) = [check for check in VALIDATOR_CHECKS if check.name == name]
    columns = "columns" in name or validator in (broken.ForgetsColumns, broken.HasARowTooMany)
    with pytest.raises(AssertionError) as caught:
        check_validator(validator, {}, accepted=[broken.GOOD], refused=[broken.BAD], columns=columns, checks=[check])
    assert str(caught.value).startswith(f"{name}: {check.sentence}\n")
    assert said in str(caught.value)
