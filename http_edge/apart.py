"""Where what a worker has died of is decided: in threads of its own, few at a time, so that nothing else waits."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from streamlake.engine.records import Verdict
from streamlake.http_edge.problems import ProblemError

AT_ONCE = 2
"""Each takes seconds, and processes."""
RETRY_SECONDS = 10


class Apart:
    """A small pool; who comes when it is taken is told to come again."""

    def __init__(self) -> None:
        self._running = 0
        self._threads = ThreadPoolExecutor(AT_ONCE, "apart")

    async def run(self, decide: Callable[[], Verdict]) -> Verdict:
        """What `decide` returns, in a thread. Raises ProblemError where too many are at it."""
        if self._running >= AT_ONCE:
            detail = (
                "nothing was stored: records that ended a process are looked at one by one, and others are before it"
            )
            raise ProblemError("queue-full", detail, {"Retry-After": str(RETRY_SECONDS)})
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, decide)
        finally:
            self._running -= 1
