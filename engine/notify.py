"""What systemd is told of a service: ready, reloading, stopping, alive, and a line on how it is (sd_notify(3)).

Nothing is said where NOTIFY_SOCKET is not set. A message that can't be sent is dropped: whoever supervises us decides
by those that come.
"""

import os
import socket
import time
from collections.abc import MutableMapping

from streamlake.engine.counted import counted
from streamlake.engine.state import EngineState

SPARE_SECONDS = 30.0
"""An engine without a partition for so long is ready, too: the group has more members than partitions."""
STATUS_SECONDS = 5.0


class Notifier:
    """Used by the main loop alone: so a loop that is stuck says nothing, and the watchdog sees it."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Takes the variables out of `environment`: no child and no library is to speak for us."""
        self._address = _address(environment.pop("NOTIFY_SOCKET", ""))
        watchdog_us, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        ours = watchdog_us.isdigit() and pid in ("", str(os.getpid()))
        self._beat_seconds = int(watchdog_us) / 2e6 if ours else None
        self._begun_at = time.monotonic()
        self._beat_at = self._status_at = 0.0
        self._status = ""
        self._is_ready = self._is_stopping = False

    def ready(self) -> None:
        """It serves; also after a reload, whatever came of that."""
        if not self._is_ready:
            self._is_ready = True
            self._send("READY=1")

    def reloading(self) -> None:
        """A reload begins, which `ready` ends."""
        self._is_ready = False
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """It drains, and ends by itself."""
        if not self._is_stopping:
            self._is_stopping = True
            self._send("STOPPING=1")

    def beat(self) -> None:
        """The main loop goes round: says so at half of the watchdog's time."""
        now = time.monotonic()
        if self._beat_seconds is not None and now - self._beat_at >= self._beat_seconds:
            self._beat_at = now
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """How it is, in a line for `systemctl status`: where it has changed, and not more often than is read."""
        now = time.monotonic()
        if text != self._status and now - self._status_at >= STATUS_SECONDS:
            self._status, self._status_at = text, now
            self._send(f"STATUS={text}")

    def show(self, state: EngineState) -> None:
        """Take in the state of an engine, as often as its loop goes round."""
        self.beat()
        if state.draining:
            self.stopping()
        elif state.reloading:
            pass
        elif state.partitions or time.monotonic() - self._begun_at > SPARE_SECONDS:
            self.ready()
        self.status(_line(state))

    def _send(self, text: str) -> None:
        if self._address is None:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaker:
            speaker.setblocking(False)
            try:
                speaker.sendto(text.encode(), self._address)
            except OSError:
                return


def _address(said: str) -> str | None:
    """A path, or a name of the abstract name space (`@…`); None for nothing, and for what is no socket of this host."""
    if said.startswith("@"):
        return f"\0{said[1:]}"
    return said if said.startswith("/") else None


def _line(state: EngineState) -> str:
    partitions = state.partitions
    if state.draining:
        left = sum(one.pid is not None for one in partitions)
        return f"draining, {counted(left, 'worker')} yet to finish"
    parked = sum(one.phase == "parked" for one in partitions)
    if state.broker_since is not None:
        return f"{state.broker_waits} since {state.broker_since}"
    if state.gone:
        return f"no topic {', '.join(state.gone)} any more"
    lags = [one.lag for one in partitions]
    lag = "not known yet" if None in lags else counted(sum(lag or 0 for lag in lags), "record")
    return f"{counted(len(partitions), 'partition')}{f', {parked} parked' if parked else ''}, lag {lag}"
