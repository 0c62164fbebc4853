"""The seat in the group, where no broker is needed to see it: what comes after it was given up."""

import threading
from collections.abc import Callable

import pytest

from streamlake.engine.kafka.membership import KafkaMembership
from streamlake.engine.records import TopicPartition

ORDERS = TopicPartition("orders", 0)


@pytest.mark.parametrize(
    "call",
    [
        lambda membership: membership.commit({ORDERS: (1, None)}, wait=True),
        lambda membership: membership.commit({ORDERS: (1, None)}, wait=False),
        lambda membership: membership.confirm([ORDERS]),
    ],
)
def test_a_call_that_comes_after_the_group_was_left_is_no_error(
    call: Callable[[KafkaMembership], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    settings = {"bootstrap.servers": "", "group.id": "g", "log_level": 0}
    membership = KafkaMembership(["orders"], settings)
    membership.close()
    assert not call(membership)
    assert raised == []
