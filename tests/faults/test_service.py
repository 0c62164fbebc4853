"""`run` as a service and at a terminal: what systemd hears of it, a second member, Ctrl-C."""

import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import yaml
from support.engine import STREAMLAKE
from support.scene import Scene, orders
from support.systemd import Manager
from support.waiting import wait_until


def test_systemd_hears_that_it_is_ready_alive_reloading_and_stopping(scene: Scene, tmp_path: Path) -> None:
    with Manager(tmp_path, watchdog_seconds=1) as manager, scene.engine(env=manager.environment) as engine:
        manager.wait_for("READY=1", engine.log)
        engine.wait_for("assigned")
        manager.wait_for("STATUS=1 partition, lag ", engine.log)
        manager.wait_for("WATCHDOG=1", engine.log, times=3)

        _change(scene, "batch", "rows_max", 10)
        engine.signal(signal.SIGHUP)
        manager.wait_for("RELOADING=1\nMONOTONIC_USEC=", engine.log)
        manager.wait_for("READY=1", engine.log, times=2)
        _change(scene, "sink", "root", "elsewhere")
        engine.signal(signal.SIGHUP)
        refused = engine.wait_for("the YAML was not taken over, the old one stays")
        assert (refused["code"], len(refused["problems"])) == ("SL0105", 1)
        manager.wait_for("READY=1", engine.log, times=3)

        with scene.engine() as second:
            joined = second.wait_for("this engine joins others of this pipeline on this host")
            assert (joined["engines"], joined["pids"]) == (2, [engine.process.pid])
            assert second.wait_for("assigned")["partitions"] is not None
            second.stop()
        assert not engine.events("this engine joins others of this pipeline on this host")
        engine.signal(signal.SIGTERM)
        assert engine.wait() == 0, engine.log()
        heads = [re.sub(r"\d+$", "", one) for one in manager.said() if not one.startswith(("STATUS=", "WATCHDOG="))]
    reload = ["RELOADING=1\nMONOTONIC_USEC=", "READY="]
    assert heads == ["READY=", *reload, *reload, "STOPPING="]


def test_ctrl_c_at_a_terminal_drains_the_workers_and_says_that_a_second_one_stops_at_once(scene: Scene) -> None:
    scene.produce(orders(120))
    ours, theirs = pty.openpty()
    command = ["setsid", "--ctty", "--wait", STREAMLAKE, "run", str(scene.pipeline)]
    # In a session of its own with the terminal as its controlling one: Ctrl-C goes to the workers, too.
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        screen = bytearray()
        os.set_blocking(ours, False)

        def shows(text: str) -> bool:
            try:
                screen.extend(os.read(ours, 65536))
            except BlockingIOError:
                pass
            except OSError:  # its end
                pass
            return text in re.sub(r"\x1b\[[0-9;]*m", "", screen.decode(errors="replace"))

        try:
            wait_until(lambda: shows("committed") and scene.landed() == 120, screen.decode)
            os.write(ours, b"\x03")
            wait_until(lambda: shows("press again to stop now"), screen.decode)
            wait_until(lambda: process.poll() is not None, screen.decode)
            assert process.returncode == 130, screen.decode()
            assert not shows("worker ended"), "the workers drained"
            assert not shows("Traceback")
        finally:
            process.kill()
            os.close(ours)
    assert scene.entries()[-1]["kind"] == "close"


def _change(scene: Scene, section: str, name: str, value: object) -> None:
    tree = yaml.safe_load(scene.pipeline.read_text())
    tree[section][name] = value
    scene.pipeline.write_text(yaml.safe_dump(tree))
