"""The sample model and its JSON Schema say the same of every order, good or broken."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from validators import making
from validators.cases import CASES
from validators.texts import GOOD, has_whole_floats, odd_orders

from streamlake.engine.contracts import Validator
from streamlake.engine.records import Refusal
from streamlake.plugins.validators.orders import order_schema

BY_MODEL = making.pydantic(making.ORDER_MODEL)
BY_SCHEMA = making.jsonschema(making.ORDER_SCHEMA)
TYPED = (making.pydantic(making.ORDER_MODEL, columns=True), making.jsonschema(making.ORDER_SCHEMA, columns=True))


def order(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def item(**changes: object) -> bytes:
    return order(items=[GOOD["items"][0], {**GOOD["items"][1], **changes}])


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in GOOD.items() if key != name}).encode()


GOOD_ORDERS = [
    order(),
    order(total=0),
    order(total=10**17, items=[{"sku": 2**64 - 1, "qty": 1, "price": 1e-9}] * 60),
    order(order_id=2**64 - 1, ordered_at="0001-01-01"),
    *(order(status=status) for status in "OFP"),
    *(order(currency=currency) for currency in ("USD", "EUR", "GBP", "JPY", "CHF")),
    *(order(priority=priority) for priority in ("1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW")),
    order().replace(b'"order_id": 7', b'"order_id": "x", "order_id": 7'),
    order().replace(b'"status"', b'"st\\u0061tus"'),
]
BROKEN_ORDERS = {
    "/order_id": [
        order(order_id=0),
        order(order_id="12"),
        order(order_id=True),
        order(order_id=1.5),
        without("order_id"),
    ],
    "/customer_id": [order(customer_id=-1), order(customer_id=None), without("customer_id")],
    "/status": [order(status="X"), order(status=""), order(status=1), without("status")],
    "/currency": [order(currency="EURO"), order(currency="eur"), without("currency")],
    "/total": [order(total=-0.01), order(total="1"), order(total=True), order(total=None), without("total")],
    "/ordered_at": [
        *(order(ordered_at=day) for day in ("2026-02-30", "2026-1-2", "1767312000", "20260102", "0000-01-01", "")),
        *(order(ordered_at=day) for day in ("2026-01-02T00:00:00", "2026-01-02 ", "\uff12026-01-02", 1767312000, None)),
        without("ordered_at"),
    ],
    "/priority": [order(priority="6-NONE"), order(priority=5), without("priority")],
    "/items": [order(items=[]), order(items={}), order(items=None), without("items")],
    "/items/1": [order(items=[GOOD["items"][0], 1])],
    "/items/1/sku": [item(sku=0), item(sku="4")],
    "/items/1/qty": [item(qty=0), item(qty=51), item(qty=True), item(qty=2.5)],
    "/items/1/price": [item(price=-1), item(price=[])],
    "/items/1/color": [item(color="red")],
    "/note": [order(note="")],
}


def test_the_committed_schema_is_the_one_the_model_makes() -> None:
    committed = json.loads((making.FOLDER / making.ORDER_SCHEMA).read_text())
    assert committed == order_schema(), "run: python -m streamlake.plugins.validators.orders > …/orders.schema.json"


def test_good_orders_are_accepted_by_both() -> None:
    assert not making.refused(BY_MODEL, *GOOD_ORDERS)
    assert not making.refused(BY_SCHEMA, *GOOD_ORDERS)


@pytest.mark.parametrize("field", BROKEN_ORDERS)
def test_broken_orders_are_refused_by_both_with_the_same_field(field: str) -> None:
    expected = [(index, "invalid", field) for index in range(len(BROKEN_ORDERS[field]))]
    for validator in (BY_MODEL, BY_SCHEMA):
        refused = making.refused(validator, *BROKEN_ORDERS[field])
        assert [(refusal.index, refusal.reason, refusal.field) for refusal in refused] == expected
        assert all(field in refusal.message for refusal in refused)


@settings(max_examples=150, deadline=None)
@given(st.lists(odd_orders(), max_size=4))
@example([order().replace(b'"sku": 3', b'"sku": 18446744073709551616')])
def test_mutated_orders_are_refused_by_both_or_by_none(batch: list[bytes]) -> None:
    by_model = {refusal.index: refusal for refusal in making.refused(BY_MODEL, *batch)}
    by_schema = {refusal.index: refusal for refusal in making.refused(BY_SCHEMA, *batch)}
    for index, payload in enumerate(batch):
        if not has_whole_floats(payload):
            assert _outcome(by_model, index) == _outcome(by_schema, index), payload


@settings(max_examples=100, deadline=None)
@given(st.lists(odd_orders(), max_size=6))
def test_typed_columns_of_both_hold_the_same_rows(batch: list[bytes]) -> None:
    plain = [payload for payload in batch if not has_whole_floats(payload)]
    by_model, by_schema = (making.table_of(validator, *plain) for validator in TYPED)
    assert by_model.schema.equals(by_schema.schema)
    assert by_model.to_pylist() == by_schema.to_pylist()


def test_validators_with_columns_refuse_for_the_same_reasons_as_those_without() -> None:
    batch = [case.payload for case in CASES] + [payload for payloads in BROKEN_ORDERS.values() for payload in payloads]
    pairs: list[tuple[Validator, Validator]] = [(TYPED[0], BY_MODEL), (TYPED[1], BY_SCHEMA)]
    for with_columns, without_columns in pairs:
        assert making.refused(with_columns, *batch) == making.refused(without_columns, *batch)


def test_the_one_difference_is_an_integer_written_with_a_fraction_of_zero() -> None:
    # JSON Schema (2020-12, Validation 6.1.1): 1.0 is an integer. pydantic's strict int: it is a float.
    payload = order().replace(b'"qty": 2', b'"qty": 2.0')
    assert not making.refused(BY_SCHEMA, payload)
    assert [refusal.field for refusal in making.refused(BY_MODEL, payload)] == ["/items/0/qty"]


def _outcome(refused: Mapping[int, Refusal], index: int) -> tuple[str, str | None] | None:
    refusal = refused.get(index)
    return None if refusal is None else (refusal.reason, refusal.field)
