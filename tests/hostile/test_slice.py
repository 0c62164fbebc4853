"""A slice of a night's mutated orders: it says how many it did."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile.mutating import mutated
from hostile.run import WAYS, DifferenceError, hostile
from support.shared import SharedKafka

RECORDS = 5_000


@pytest.mark.timeout(600)
def test_mutated_orders_get_one_answer_and_come_back_as_they_were(
    kafka: SharedKafka, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    try:
        counts = hostile(kafka.bootstrap_servers, tmp_path, list(mutated(seed, RECORDS)))
    except DifferenceError as difference:
        pytest.fail(f"{difference}\nreplay: python tests/hostile/run.py --seed {seed} --records {RECORDS}")
    record_property("hostile input", f"{RECORDS} mutated orders of seed {seed}, each landed in {len(WAYS)} ways")
    for validator in ("json", "jsonschema", "pydantic"):
        kinds = {answer for answer in counts if answer.startswith(f"{validator}:")}
        assert kinds >= {f"{validator}: accepted", f"{validator}: malformed", f"{validator}: invalid"}
