"""The order generator is deterministic and breaks what it says it breaks."""

import hashlib
import json
from collections import Counter
from datetime import date

import pytest

from streamlake.engine.errors import UsageError
from streamlake.engine.local.broken import BREAKERS, DEPTH
from streamlake.engine.local.orders import BROKEN_KINDS, GeneratedRecord, broken_counts, orders

GOOD = (
    b'{"order_id":7,"customer_id":392,"status":"O","currency":"USD","total":151.50,"ordered_at":"1996-01-10",'
    b'"priority":"2-HIGH","items":[{"sku":1821,"qty":3,"price":50.50}]}'
)
LIMIT_BYTES = 5_000


def generate(records: int, *ratios: float, seed: int = 0) -> list[GeneratedRecord]:
    return [r for batch in orders(records, *ratios, seed=seed, oversize_bytes=LIMIT_BYTES) for r in batch]


def is_good(value: bytes) -> bool:
    """The fields of an order one by one, in other words than the generator's and the validator's."""
    try:
        order = json.loads(value.decode("utf-8"))
        date.fromisoformat(order["ordered_at"])
        items = order["items"]
        return (
            type(order["order_id"]) is int
            and type(order["customer_id"]) is int
            and order["status"] in {"O", "F", "P"}
            and order["currency"] in {"USD", "EUR", "GBP", "JPY", "CHF"}
            and order["total"] >= 0
            and order["priority"] in {"1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"}
            and len(items) >= 1
            and all(i["sku"] > 0 and 1 <= i["qty"] <= 50 and i["price"] >= 0 for i in items)
            and len(value) <= LIMIT_BYTES
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def test_every_order_is_good_and_nested_and_they_are_240_bytes_on_average() -> None:
    values = [value for _, value in generate(15_000)]
    assert all(value is not None and is_good(value) for value in values)
    assert 230 <= sum(len(value or b"") for value in values) / len(values) <= 250


def test_an_orders_total_is_the_sum_of_its_items_and_its_key_the_customer() -> None:
    for key, value in generate(500):
        assert value is not None
        order = json.loads(value)
        cents = sum(item["qty"] * round(item["price"] * 100) for item in order["items"])
        assert round(order["total"] * 100) == cents
        assert key == str(order["customer_id"]).encode()


def test_equal_arguments_give_the_same_bytes_on_every_machine() -> None:
    digest = hashlib.sha256()
    for key, value in generate(2_000, 0.05, 0.01):
        digest.update(b"%r %r\n" % (key, value))
    assert digest.hexdigest() == "feecf49ff5da9fc2648814aaf0ea9d10bddb7c0c414f9d5b3077f0c4f57352bd"


def test_another_seed_gives_other_orders() -> None:
    assert generate(10, seed=1) == generate(10, seed=1) != generate(10, seed=2)


@pytest.mark.parametrize(("records", "broken", "tombstones"), [(15_000, 0.004, 0.001), (100, 0.5, 0.5), (33, 0.3, 0)])
def test_as_many_are_broken_as_is_said(records: int, broken: float, tombstones: float) -> None:
    counts = broken_counts(records, broken, tombstones)
    generated = generate(records, broken, tombstones)
    assert len(generated) == records
    assert sum(value is None for _, value in generated) == counts.pop("tombstone")
    assert sum(value is not None and not is_good(value) for _, value in generated) == sum(counts.values())
    assert max(counts.values()) - min(counts.values()) <= 1


def test_the_kinds_take_turns() -> None:
    generated = generate(1_000, 0.02)
    whole = generate(1_000)
    changed = [n for n in range(1_000) if generated[n] != whole[n]]
    kinds = []
    for n in changed:
        good = whole[n][1]
        assert good is not None
        kinds += [kind for kind in BROKEN_KINDS if BREAKERS[kind](good, LIMIT_BYTES) == generated[n][1]]
    assert kinds == list(BROKEN_KINDS) * 2
    assert {**Counter(kinds), "tombstone": 0} == broken_counts(1_000, 0.02)


def test_there_are_ten_kinds_or_more() -> None:
    assert len(BROKEN_KINDS) >= 10


@pytest.mark.parametrize("kind", BROKEN_KINDS)
def test_each_kind_breaks_a_good_order(kind: str) -> None:
    assert is_good(GOOD)
    assert not is_good(BREAKERS[kind](GOOD, LIMIT_BYTES))


def test_each_kind_breaks_what_its_name_says() -> None:
    broken = {kind: BREAKERS[kind](GOOD, LIMIT_BYTES) for kind in BROKEN_KINDS}
    with pytest.raises(UnicodeDecodeError):
        broken["bad_utf8"].decode()
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken["cut_off"])
    assert json.loads(broken["wrong_type"])["customer_id"] == "no. 392"
    assert "customer_id" not in json.loads(broken["missing_field"])
    assert json.loads(broken["negative_amount"])["total"] == -151.5
    assert json.loads(broken["unknown_currency"])["currency"] == "XTS"  # ISO 4217: for tests
    assert json.loads(broken["bad_date"])["ordered_at"] == "1996-02-30"
    assert broken["too_deep"].count(b"[") == broken["too_deep"].count(b"]") == DEPTH
    assert broken["empty"] == b""


def test_a_too_large_one_is_only_just_too_large_and_otherwise_good() -> None:
    value = BREAKERS["too_large"](GOOD, LIMIT_BYTES)
    assert LIMIT_BYTES < len(value) < LIMIT_BYTES + 100
    assert len(json.loads(value)["items"]) > 100


def test_orders_start_over_when_there_are_no_more() -> None:
    table_rows = 15_000
    row = 7919 * 2 % table_rows  # where seed 2 begins: the end of the table comes before 15,000 records are done
    generated = generate(table_rows, seed=2)
    assert generated[table_rows - row :] == generate(table_rows)[:row]


@pytest.mark.parametrize("arguments", [(-1, 0.0), (10, 1.5), (10, -0.1), (10, 0.6, 0.6)])
def test_what_can_not_be_is_told(arguments: tuple[int, float]) -> None:
    with pytest.raises(UsageError):
        generate(*arguments)


def test_no_records_are_no_batches() -> None:
    assert generate(0) == []
