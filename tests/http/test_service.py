"""`serve` as a service of systemd: what it hears over NOTIFY_SOCKET, and gunicorn does not speak for us."""

import signal
from pathlib import Path

import yaml
from support.edge import RunningEdge, edge_yaml
from support.shared import SharedKafka
from support.systemd import Manager
from support.waiting import wait_until


def test_systemd_hears_that_the_edge_is_ready_alive_reloading_and_stopping(tmp_path: Path, kafka: SharedKafka) -> None:
    pipeline = edge_yaml(tmp_path, kafka.bootstrap_servers)
    with (
        Manager(tmp_path, watchdog_seconds=1) as manager,
        RunningEdge(pipeline, env=manager.environment) as edge,
    ):
        manager.wait_for("READY=1", edge.log)
        manager.wait_for("STATUS=1 of 1 workers, streams orders", edge.log)
        manager.wait_for("WATCHDOG=1", edge.log, times=3)
        edge.signal(signal.SIGHUP)
        edge.wait_for("reloaded")
        manager.wait_for("READY=1", edge.log, times=2)

        pipeline.write_text("pipeline: [")
        edge.signal(signal.SIGHUP)
        refused = edge.wait_for("not reloaded, all goes on as before")
        assert refused["code"] == "SL0807"
        manager.wait_for("READY=1", edge.log, times=3)
        edge.signal(signal.SIGTERM)
        assert edge.wait() == 0, edge.log()
        heads = [one.partition("\n")[0] for one in manager.said() if not one.startswith(("STATUS=", "WATCHDOG="))]
    assert heads == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_a_reload_that_takes_its_time_holds_up_neither_the_watchdog_nor_a_request_nor_the_end(
    tmp_path: Path, kafka: SharedKafka
) -> None:
    pipeline, module, gate = edge_yaml(tmp_path, kafka.bootstrap_servers), tmp_path / "slow.py", tmp_path / "gate"
    good = "from pydantic import BaseModel\nclass Order(BaseModel):\n    id: int\n"
    waits = f"import pathlib, threading\nwhile not pathlib.Path({str(gate)!r}).exists(): threading.Event().wait(0.05)\n"
    module.write_text(good)
    tree = yaml.safe_load(pipeline.read_text())
    tree |= {"python_path": ["."], "validator": {"type": "pydantic", "model": "slow:Order"}}
    pipeline.write_text(yaml.safe_dump(tree))
    with (
        Manager(tmp_path, watchdog_seconds=1) as manager,
        RunningEdge(pipeline, env=manager.environment) as edge,
    ):
        module.write_text(waits + good + "    total: float\n")
        edge.signal(signal.SIGHUP)
        manager.wait_for("RELOADING=1", edge.log)
        beats = manager.said().count("WATCHDOG=1")
        manager.wait_for("WATCHDOG=1", edge.log, times=beats + 3)
        assert edge.post(b'{"id": 1}').status == 202, "by the model before"
        assert edge.events("reloaded") == []
        gate.touch()
        edge.wait_for("reloaded")
        wait_until(lambda: edge.post(b'{"id": 1}').status == 422, edge.log)

        gate.unlink()
        edge.signal(signal.SIGHUP)
        manager.wait_for("RELOADING=1", edge.log, times=2)
        edge.signal(signal.SIGTERM)
        assert edge.wait() == 0, edge.log()
        assert edge.family() == [], "the process that was to make it, too"
