"""The seat in the group, where no broker is needed to see it: once it was given up, and while nobody answers."""

import threading
from collections.abc import Callable, Sequence

import pytest
from confluent_kafka import TopicPartition as Place

from streamlake.engine.kafka import membership as membership_module
from streamlake.engine.kafka.membership import KafkaMembership
from streamlake.engine.records import TopicPartition

ORDERS = TopicPartition("orders", 0)


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (lambda membership: membership.commit({ORDERS: (1, None)}, wait=True), True),
        (lambda membership: membership.commit({ORDERS: (1, None)}, wait=False), True),
        (lambda membership: [*membership.confirm([ORDERS])], []),
    ],
)
def test_a_call_that_comes_after_the_group_was_left_is_no_error(
    call: Callable[[KafkaMembership], object], answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    settings = {"bootstrap.servers": "", "group.id": "g", "log_level": 0}
    membership = KafkaMembership(["orders"], settings)
    membership.close()
    assert call(membership) == answer
    assert raised == []


class Unanswered:
    """A consumer whose coordinator says nothing for as long as it is held; what else is asked of it would wait, too."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.done: list[str] = []

    def committed(self, *_: object, **__: object) -> Sequence[Place]:
        """The question that hangs; of no use when it comes to an end."""
        self.answered.wait()
        return []

    def poll(self, _: float) -> None:
        """Serve the group."""
        self.done.append("poll")

    def commit(self, **_: object) -> None:
        """In the background."""
        self.done.append("commit")


def test_the_loop_goes_on_while_a_question_for_our_seat_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership_module, "CONFIRM_SECONDS", 0.01)
    membership = KafkaMembership(["orders"], {"bootstrap.servers": "", "group.id": "g", "log_level": 0})
    consumer = Unanswered()
    monkeypatch.setattr(membership, "_consumer", consumer)
    assert membership.confirm([ORDERS]) == ()
    membership.poll()
    assert not membership.commit({ORDERS: (1, None)}, wait=False)
    assert consumer.done == []

    consumer.answered.set()
    assert membership._asking is not None
    membership._asking.join()
    membership.poll()
    assert membership.commit({ORDERS: (1, None)}, wait=False)
    assert consumer.done == ["poll", "commit"]
