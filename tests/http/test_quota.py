"""Token buckets: what an API key may send in a burst, and how long it waits after that."""

import multiprocessing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlake.http_edge.quota import Bucket, Quotas

TEN = Bucket(rate=10.0, burst=20.0)


def test_a_burst_is_taken_and_the_rate_after_it() -> None:
    quotas = Quotas()
    assert quotas.take("a", TEN, 20, now=100.0) == 0
    assert quotas.take("a", TEN, 1, now=100.0) == pytest.approx(0.1)
    assert quotas.take("a", TEN, 1, now=100.1) == 0
    assert quotas.take("a", TEN, 20, now=100.1) == pytest.approx(2.0)


def test_what_is_refused_takes_nothing() -> None:
    quotas = Quotas()
    quotas.take("a", TEN, 20, now=100.0)
    for _ in range(1000):
        assert quotas.take("a", TEN, 5, now=100.0) == pytest.approx(0.5)
    assert quotas.take("a", TEN, 5, now=100.5) == 0


def test_one_key_s_bucket_is_not_another_s() -> None:
    quotas = Quotas()
    quotas.take("a/orders", TEN, 20, now=100.0)
    assert quotas.take("b/orders", TEN, 20, now=100.0) == 0
    assert quotas.take("a/returns", TEN, 20, now=100.0) == 0


def test_more_than_the_bucket_holds_passes_when_it_is_full_and_is_paid_for() -> None:
    quotas = Quotas()
    assert quotas.take("a", TEN, 100, now=100.0) == 0
    assert quotas.take("a", TEN, 1, now=100.0) == pytest.approx(8.1)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 30)), max_size=60))
def test_never_does_more_pass_than_burst_and_rate_give(requests: list[tuple[float, int]]) -> None:
    quotas, now, taken = Quotas(), 1000.0, 0
    for pause, records in requests:
        now += pause
        if quotas.take("a", TEN, records, now) == 0:
            taken += records
    largest = max((records for _, records in requests), default=0)
    assert taken <= TEN.rate * (now - 1000.0) + max(TEN.burst, largest) + 1e-6


def test_processes_share_the_buckets_that_were_made_before_they_were_forked() -> None:
    quotas = Quotas()
    context = multiprocessing.get_context("fork")
    process = context.Process(target=quotas.take, args=("a", TEN, 20, 100.0))
    process.start()
    process.join(30)
    assert process.exitcode == 0
    assert quotas.take("a", TEN, 1, now=100.0) == pytest.approx(0.1)
