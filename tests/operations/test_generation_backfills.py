"""Backfills beside live generations: what is missing before these, and who is fenced."""

from pathlib import Path

import pytest
from support.broker import pipeline_on
from support.cluster import ORDERS_1
from support.generations import assert_sound, change, promoted, replayed, reset_to, seen
from support.lake import Lake
from support.proofs import ORDERS_0

from streamlake.engine import worker_main
from streamlake.engine.errors import FencedError, SupersededError
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.operations.replay_delete import collect
from streamlake.engine.worker_main import Job


@pytest.fixture
def backfill(tmp_path: Path) -> Lake:
    """The live run began at 40; a backfill of [0, 40) has come to 20, in one of its two partitions."""
    lake = Lake.make(tmp_path, starts={ORDERS_0: 40, ORDERS_1: 40})
    lake.claim(ORDERS_0).land(10)
    ids = {"orders": lake.identity.topic_ids["orders"]}
    ends = {ORDERS_0: 40, ORDERS_1: 40}
    made = Lake.make(tmp_path, run="backfill-1", starts={ORDERS_0: 0, ORDERS_1: 0}, ends=ends, topic_ids=ids)
    made.claim(ORDERS_0).land(10)
    return made


def test_a_backfill_is_fenced_by_a_generation_that_lands_some_of_it(backfill: Lake) -> None:
    worker = backfill.claim(ORDERS_0)
    worker.land(10)
    staged = worker.stage(10)
    assert not Lineage(backfill.ledger()).overtaken(backfill.identity)
    reset_to(backfill, 10)
    assert change(backfill)
    with pytest.raises((FencedError, SupersededError)):
        worker.end.commit(staged)
    with pytest.raises(SupersededError):
        backfill.claim(ORDERS_0)
    assert seen(backfill) == [("backfill-1", 0, 10)]
    assert_sound(backfill)
    left = backfill.root / "_stage" / "backfill-1" / "left"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"1")
    assert [one.run for one in collect(backfill.sink)] == ["backfill-1"], "what it has staged is needed no more"


def test_a_worker_of_a_backfill_that_claims_after_that_lands_nothing(backfill: Lake, tmp_path: Path) -> None:
    """Its partition had no ledger that could have been closed."""
    config = pipeline_on("127.0.0.1:1", "orders", sink={"root": str(tmp_path)})
    job = Job(config, backfill.identity, ORDERS_1, 40, own_process=False, logs=("json", "INFO"))
    worker_main._check_generation(backfill.sink, job)
    reset_to(backfill, 10)
    with pytest.raises(SupersededError, match="the live run lands some of backfill-1 itself"):
        worker_main._check_generation(backfill.sink, job)


def test_what_is_missing_before_the_live_run_is_no_hole_whoever_lands_the_rest_of_it(tmp_path: Path) -> None:
    lake = Lake.make(tmp_path, starts={ORDERS_0: 50})
    lake.claim(ORDERS_0).land(10)
    landing = Lake.make(tmp_path, run="backfill-1", starts={ORDERS_0: 10}, ends={ORDERS_0: 20}).claim(ORDERS_0)
    landing.land(10)
    landing.end.close()
    assert_sound(lake)
    promoted(lake, replayed(lake))
    assert change(lake)
    assert seen(lake) == [("fixed", 10, 20), ("live-1", 50, 60)]
    assert_sound(lake)
