"""`replay promote`, `list`, `show`, `delete` and `gc`, on a lake that was landed without Kafka."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.engine import AWAY, streamlake
from support.lake import Lake
from support.proofs import ORDERS_0, ORDERS_1, SUBJECT

from streamlake.config.load import load_pipeline
from streamlake.engine.abilities import RunKeeper
from streamlake.engine.errors import FencedError, ForeignRootError, UsageError
from streamlake.engine.letters import NoCopies
from streamlake.engine.operations.generation_change import finish
from streamlake.engine.operations.lineage import live_entries
from streamlake.engine.operations.prove import prove
from streamlake.engine.operations.replay_delete import collect, delete_replay
from streamlake.engine.operations.replay_promote import plan_promotion, promote
from streamlake.engine.operations.replays import list_replays, show_replay


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Three entries of ten offsets each in one partition, one entry in another."""
    lake = Lake.make(tmp_path, starts={ORDERS_0: 0, ORDERS_1: 100}, format="parquet")
    landing = lake.claim(ORDERS_0)
    for refused in ([], [5, 6], []):
        landing.land(10, refused=refused)
    lake.claim(ORDERS_1).land(10)
    return lake


def replayed(lake: Lake, first: int = 10, rows: int = 10, run: str = "fixed", *, close: bool = True) -> Lake:
    replay = Lake.make(
        lake.root,
        run=run,
        starts={ORDERS_0: first},
        ends={ORDERS_0: first + rows},
        output=f"replays/{run}",
        topic_ids={"orders": "id-of-orders"},
    )
    landing = replay.claim(ORDERS_0)
    landing.land(rows)
    if close:
        landing.end.close()
    return replay


def called(*arguments: str, code: int = 0) -> Any:
    done = streamlake(*arguments, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if code == 0 else done.stderr


def seen(lake: Lake) -> list[tuple[str, int, int]]:
    return [(entry.run, entry.first, entry.next) for entry in live_entries(lake.ledger(), ORDERS_0)]


def test_a_finished_replay_is_promoted_and_the_second_time_nothing_is_done(lake: Lake, pipeline: str) -> None:
    replayed(lake)
    done = called("replay", "promote", pipeline, "fixed", "--yes")
    assert (done["generation"], done["supersedes"], done["done_before"]) == ("live-2", "live-1", False)
    (one,) = done["partitions"]
    assert (one["before"]["refused"], one["after"]["refused"], one["after"]["landed"]) == (2, 0, 10)
    assert seen(lake) == [("live-1", 0, 10), ("fixed", 10, 20), ("live-1", 20, 30)]
    assert called("prove", pipeline)["holds"]
    (listed,) = called("replay", "list", pipeline)
    assert (listed["state"], listed["promoted_as"]) == ("promoted", "live-2")
    config = load_pipeline(Path(pipeline), ())
    assert promote(config, lake.sink, "fixed").finishes  # no engine has begun yet: looked through again
    claimed = Lake.make(lake.root, run="live-2", starts={ORDERS_0: 30})
    claimed.claim(ORDERS_0)
    assert called("replay", "promote", pipeline, "fixed", "--yes")["done_before"]


def test_nobody_is_asked_in_a_pipe_and_nothing_is_done(lake: Lake, pipeline: str) -> None:
    replayed(lake)
    for verb in ("promote", "delete"):
        assert "say --yes" in called("replay", verb, pipeline, "fixed", code=2)
    assert [run.run for run in lake.ledger().runs()] == ["live-1", "fixed"]


@pytest.mark.parametrize(
    ("first", "rows", "close", "said"),
    [
        (10, 5, True, r"whole files only. orders/0: the replay is of \[10, 15\), whole files there are \[10, 20\)"),
        (5, 15, True, r"the replay is of \[5, 20\), whole files there are \[0, 20\)"),
        (20, 20, True, r"the replay is of \[20, 40\), and what readers see of the live run is \[0, 30\)"),
        (10, 10, False, "is not finished"),
    ],
)
def test_what_may_not_be_promoted_is_refused(
    lake: Lake, pipeline: str, first: int, rows: int, close: bool, said: str
) -> None:
    replayed(lake, first, rows, close=close)
    config = load_pipeline(Path(pipeline), ())
    with pytest.raises(UsageError, match=said):
        promote(config, lake.sink, "fixed")
    assert seen(lake) == [("live-1", 0, 10), ("live-1", 10, 20), ("live-1", 20, 30)]


def test_a_replay_that_does_not_prove_is_refused(lake: Lake, pipeline: str) -> None:
    replayed(lake)
    lake.files("replays")[0].write_bytes(b"else")
    with pytest.raises(UsageError, match="does not prove: altered"):
        plan_promotion(load_pipeline(Path(pipeline), ()), lake.ledger(), "fixed")


def test_another_change_that_was_begun_is_finished_first(lake: Lake, pipeline: str) -> None:
    replayed(lake)
    replayed(lake, 20, 10, "second")
    Lake.make(lake.root, run="live-2", adopts="second")
    promotion = promote(load_pipeline(Path(pipeline), ()), lake.sink, "fixed")
    assert promotion.generation == "live-3"
    assert seen(lake) == [("live-1", 0, 10), ("fixed", 10, 20), ("second", 20, 30)]
    assert prove(lake.ledger(), SUBJECT).holds


def test_an_unknown_replay_is_a_sentence(lake: Lake, pipeline: str) -> None:
    for arguments in (("promote", pipeline, "nobody", "--yes"), ("show", pipeline, "nobody")):
        assert "there is no such replay" in called("replay", *arguments, code=2)
    assert "there is no such replay" in called("replay", "delete", pipeline, "nobody", "--yes", code=2)
    assert "there is no such replay" in called("replay", "delete", pipeline, "live-1", "--yes", code=2)
    assert called("replay", "list", pipeline) == []


def test_replays_are_listed_and_shown_as_far_as_they_are(lake: Lake, pipeline: str) -> None:
    replayed(lake)
    replayed(lake, 0, 10, "open", close=False)
    states = {one.run.run: one.state for one in list_replays(lake.ledger())}
    assert states == {"fixed": "finished", "open": "begun"}
    replay, (partition,) = show_replay(lake.ledger(), "open")
    assert (replay.progress.accounted, partition.range.next) == (10, 10)
    shown = streamlake("replay", "show", pipeline, "fixed").stdout
    assert "orders/0" in shown
    assert "finished" in streamlake("replay", "list", pipeline).stdout


def test_a_deleted_replay_leaves_nothing_but_its_name(lake: Lake, pipeline: str) -> None:
    before = {path.relative_to(lake.root) for path in lake.root.rglob("*")}
    held = replayed(lake, close=False)
    assert called("replay", "delete", pipeline, "fixed", "--yes")["deleted"]
    after = {path.relative_to(lake.root) for path in lake.root.rglob("*")}
    assert {str(path) for path in after - before if path.parts[0] not in ("replays", "_ledger")} == {
        "_runs/fixed.fate-1",
        "_runs/fixed.deleted",
    }
    assert lake.files("replays") == []
    assert prove(lake.ledger(), SUBJECT).holds
    with pytest.raises(ForeignRootError, match="was deleted"):
        held.sink.register_run(held.identity)
    assert held.sink.find_run("fixed") is None


def test_a_worker_of_a_replay_that_is_deleted_is_fenced(lake: Lake) -> None:
    replay = Lake.make(lake.root, run="fixed", starts={ORDERS_0: 0}, ends={ORDERS_0: 30}, output="replays/fixed")
    landing = replay.claim(ORDERS_0)
    landing.land(10)
    delete_replay(lake.sink, "fixed")
    with pytest.raises(FencedError):
        landing.land(10)
    assert lake.files("replays") == []


def test_a_promoted_replay_is_not_deleted(lake: Lake, pipeline: str) -> None:
    replayed(lake)
    Lake.make(lake.root, run="live-2", adopts="fixed")
    finish(lake.sink, lambda _run: NoCopies())
    assert "was promoted" in called("replay", "delete", pipeline, "fixed", "--yes", code=2)


class Died(BaseException):
    """A death at a failure point."""


def test_a_death_in_the_middle_of_a_deletion_is_finished_by_the_next(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for deaths in range(20):
        run = f"run-{deaths}"
        replayed(lake, run=run)
        passed = 0

        def failpoint(name: str, last: int = deaths) -> None:
            nonlocal passed
            if passed == last:
                raise Died(name)
            passed += 1

        monkeypatch.setattr("streamlake.plugins.sinks.file.runs.failpoint", failpoint)
        try:
            delete_replay(lake.sink, run)
        except Died:
            monkeypatch.undo()
            assert prove(lake.ledger(), SUBJECT).holds
            assert delete_replay(lake.sink, run)
        else:
            assert deaths > 2
            break
        finally:
            monkeypatch.undo()
        assert not delete_replay(lake.sink, run)
    else:
        pytest.fail("it died twenty times")


def test_what_an_ended_run_has_staged_is_freed_and_nothing_else(lake: Lake, pipeline: str) -> None:
    keeper: RunKeeper = lake.sink  # type: ignore[assignment]
    replayed(lake)
    live = lake.claim(ORDERS_0)
    stage = live.end.stage()
    left = lake.root / "_stage" / "fixed" / "orders" / "00000" / "00000001" / "left.parquet"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"12345")
    assert [(one.run, one.bytes) for one in collect(lake.sink)] == [("fixed", 5)]
    assert not left.exists()
    assert called("gc", pipeline) == []
    unfinished = replayed(lake, 0, 10, "open", close=False)
    kept = lake.root / "_stage" / unfinished.identity.run / "x.parquet"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(b"1")
    assert collect(lake.sink) == []
    assert kept.exists()
    assert keeper.collect("open") == 1
    del stage


def test_the_broker_is_not_needed(lake: Lake, pipeline: str) -> None:
    assert AWAY in Path(pipeline).read_text()
    replayed(lake)
    called("replay", "promote", pipeline, "fixed", "--yes")
    assert prove(lake.ledger(), SUBJECT).holds


def test_of_several_partitions_all_that_are_not_covered_wholly_are_told(lake: Lake, pipeline: str) -> None:
    bounds = {ORDERS_0: (5, 20), ORDERS_1: (100, 105)}
    replay = Lake.make(
        lake.root,
        run="fixed",
        starts={source: first for source, (first, _) in bounds.items()},
        ends={source: following for source, (_, following) in bounds.items()},
        output="replays/fixed",
    )
    for source, (first, following) in bounds.items():
        landing = replay.claim(source)
        landing.land(following - first)
        landing.end.close()
    with pytest.raises(UsageError, match=r"orders/0: .* \[0, 20\); orders/1: .* \[100, 110\)"):
        plan_promotion(load_pipeline(Path(pipeline), ()), lake.ledger(), "fixed")


def test_a_replay_of_a_topic_that_was_made_anew_is_refused(lake: Lake, pipeline: str) -> None:
    replayed(lake)
    config = load_pipeline(Path(pipeline), ())
    assert plan_promotion(config, lake.ledger(), "fixed", {"orders": "id-of-orders"}).generation == "live-2"
    with pytest.raises(UsageError, match=r"made anew since .* offsets reset --recreated"):
        promote(config, lake.sink, "fixed", {"orders": "another"})
    assert [run.run for run in lake.ledger().runs()] == ["live-1", "fixed"]
