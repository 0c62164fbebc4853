"""Where trying ends: a partition whose workers die too often is parked; one without records does nothing."""

import json
import signal
import urllib.error
import urllib.request
from pathlib import Path

from support.scene import MakeScene, orders
from support.waiting import wait_until

from streamlake.engine.local.ports import free_ports


def test_a_partition_whose_workers_die_too_often_is_parked_and_readyz_says_so(
    make_scene: MakeScene, tmp_path: Path
) -> None:
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    scene = make_scene(partitions=2, workers__restarts_max=2, metrics__listen=listen)
    scene.produce(orders(120), 0)
    with scene.engine(env={"STREAMLAKE_FAILPOINT": f"before_commit:3:{tmp_path / 'deaths'}"}) as engine:
        parked = engine.wait_for("parked")
        assert parked["partition"] == f"{scene.topic}/0"
        assert "died too often (workers.restarts_max), last: SL0703: the worker was killed by SIGKILL" in parked["why"]
        assert len(engine.events("worker ended")) == 3
        code, body = _get(listen, "/readyz")
        assert code == 503
        assert any(f"{scene.topic}/0 is parked" in reason for reason in json.loads(body)["reasons"]), body
        assert _get(listen, "/livez")[0] == 200

        scene.produce(orders(120), 1)
        engine.wait_for("committed", lambda line: line["partition"] == f"{scene.topic}/1")
        assert scene.entries("data")[0]["partition"] == 1

        engine.signal(signal.SIGHUP)  # a person has looked
        wait_until(lambda: scene.landed() == 240, engine.log)
        wait_until(lambda: _get(listen, "/readyz")[0] == 200, engine.log)
        engine.stop()
    scene.check()


def test_a_partition_without_records_has_a_claim_and_a_close_in_its_ledger_and_nothing_else(
    make_scene: MakeScene,
) -> None:
    scene = make_scene(partitions=2)
    with scene.engine() as engine:
        for first in range(0, 300, 100):
            scene.produce(orders(100, first=first), 0)
            engine.wait_for("committed", count=1 + first // 100)
            wait_until(lambda: scene.landed() == len(scene.produced[0]), engine.log)
        engine.stop()
    assert [entry["kind"] for entry in scene.entries() if entry["partition"] == 1] == ["claim", "close"]
    assert not list(scene.lake.glob(f"*/{scene.topic}/**/{scene.topic}-00001-*"))
    assert scene.staged() == []
    scene.check()


def _get(listen: str, page: str) -> tuple[int, bytes]:
    """Status and body of a page."""
    try:
        with urllib.request.urlopen(f"http://{listen}{page}", timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
