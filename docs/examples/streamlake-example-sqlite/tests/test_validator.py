"""The validator keeps StreamLake's contract, check by check."""

import pytest
from streamlake_example_sqlite.validator import RequiredFields

from streamlake.engine.testing import VALIDATOR_CHECKS, Check, ValidatorBench, check_validator


@pytest.mark.parametrize("check", VALIDATOR_CHECKS, ids=str)
def test_the_validator_keeps_the_contract(check: Check[ValidatorBench]) -> None:
    """With what it has to accept and to refuse."""
    check_validator(
        RequiredFields,
        {"fields": ["id", "amount"]},
        accepted=[b'{"id": 1, "amount": null}', b'{"amount":2,"id":"x","more":[]}'],
        refused=[b'{"id": 1}', b'[{"id": 1, "amount": 2}]', b"no"],
        checks=[check],
    )
