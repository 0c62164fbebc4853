"""What an entry will say of the batch that it accounts for."""

import time

from support.lake import numbered_batch

from streamlake.engine.accounting import Account
from streamlake.engine.records import TopicPartition, Verdict

ORDERS = TopicPartition("orders", 0)
BURNT_SECONDS = 0.02


def test_a_record_says_the_cpu_time_that_its_batch_took_of_this_process() -> None:
    account, began = Account(), time.process_time()
    account.add(numbered_batch(ORDERS, 0, 3, [0, 1, 2]), Verdict())
    while time.process_time() < began + BURNT_SECONDS:
        pass
    spent = account.record(()).cpu_seconds
    assert BURNT_SECONDS <= spent <= time.process_time() - began + 0.01
