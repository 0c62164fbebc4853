"""Watches over a run of tests: that it comes to an end, and that it was a whole one when it did."""

import faulthandler
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import psutil
import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key  # the terminal, which capturing has in hand

WHOLE = "streamlake/whole"
"""In pytest's cache: whether the last run in several processes was a whole one, for `.ci/run`."""
LATER_SECONDS = 600.0
"""So long after its own limit a test ends its process: pytest-timeout speaks once, and a failed test's end has none."""


class WholeRun:
    """Of the controller of pytest-xdist: what was told, and who ended before its time."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._told: set[str] = set()
        self._outside = 0
        """So many processes ended outside of a test, or found other tests than they should, which no test tells of."""
        self._say(whole=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test has an outcome."""
        self._told.add(report.nodeid)

    def pytest_handlecrashitem(self) -> None:
        """A process has ended in a test, which has failed."""
        self._outside -= 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A process has found tests, or could not."""
        self._outside += report.failed

    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        """A process has ended. Commands that it began would go on beside the others where it did not end them."""
        if error is None:
            return
        self._outside += 1
        its = {"PYTEST_XDIST_WORKER": node.gateway.id, "PYTEST_XDIST_TESTRUNUID": node.workerinput["testrunuid"]}
        for process in psutil.process_iter(["environ"]):
            if its.items() <= (process.info["environ"] or {}).items():
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """A run that says it passed and was not whole has failed."""
        whole = len(self._told) == session.testscollected and not self._outside
        self._say(whole=whole and exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED})
        if exitstatus == pytest.ExitCode.OK and not whole:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _say(self, *, whole: bool) -> None:
        if self._config.cache is not None:
            self._config.cache.set(WHOLE, whole)


class Patience:
    """Of a process that runs tests: one that does not end, whatever it hangs in, ends its process, and is told of."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """From before the fixtures."""
        self._from_now(item)
        try:
            return (yield)
        finally:
            faulthandler.cancel_dump_traceback_later()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Once more: where a test has failed, pytest ends such a limit."""
        self._from_now(item)
        return (yield)

    def _from_now(self, item: pytest.Item) -> None:
        marker = item.get_closest_marker("timeout")
        own = float(marker.args[0] if marker and marker.args else item.config.getini("timeout"))
        file = item.config.stash[fault_handler_stderr_fd_key]
        faulthandler.dump_traceback_later(own + LATER_SECONDS, exit=True, file=file)


def watch(config: pytest.Config) -> None:
    """For `pytest_configure`."""
    config.pluginmanager.register(Patience())
    if config.getoption("dist", None) == "load" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(WholeRun(config))
