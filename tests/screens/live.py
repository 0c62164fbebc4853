"""The live table of `run` for its picture: the recorded state below some log lines, and an end."""

import sys
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


from support.shown import at_night

from streamlake.engine.cli.display import LiveTable
from streamlake.engine.logs import configure_logs

configure_logs("text", pipeline="orders")
log = structlog.get_logger("streamlake.supervisor")
state = at_night(8)
with LiveTable("orders.yaml", bounded=False) as table:
    table.show(state)
    for number in (2, 4):
        log.info("committed", partition=f"orders/{number}", first=748_000, next=812_000, seconds=11.5, landed=64_000)
    log.warning("worker ended", partition="orders/5", exit="storage", why="the disk is full")
