"""The program that takes protections out still finds each of them in the code, and the test it is for."""

import re

import pytest
from faults.protections import MUTANTS, Mutant
from support.source import ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_protection_stands_where_it_would_be_taken_out(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
    file, _, name = mutant.test.partition("::")
    text = (ROOT / "tests/faults" / file).read_text()
    function = re.match(r"\w*", name)
    assert function is not None
    assert f"def {function[0]}" in text
