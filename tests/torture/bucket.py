"""A root in a bucket: the server, a proxy before it for each host, and what can break between the two.

The server holds Google's documented semantics, and shows its objects as a tree of files: so whoever judges a folder
judges this, too.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from support.fault_proxy import FaultProxy, Rule
from support.gcs_server import GcsServer

ROOT = "gs://streamlake/lake"
OPTIONS = {"credentials": "anonymous", "request_seconds_max": 2, "retry_seconds_max": 12}


class Bucket:
    """To be used by `with`. `lines` are the proxies, the last of them for whoever comes from outside of all hosts."""

    def __init__(self, folder: Path, hosts: int) -> None:
        self._server = GcsServer(tree=folder)
        self._hosts = hosts
        self._stack = ExitStack()
        self.lines: Sequence[FaultProxy] = ()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._server)
        endpoint = self._server.endpoint
        self.lines = [self._stack.enter_context(FaultProxy(endpoint)) for _ in range(self._hosts + 1)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def judges(self) -> Mapping[str, str]:
        """The environment of who looks and breaks nothing."""
        return {"STORAGE_EMULATOR_HOST": self._server.endpoint}

    def environment(self, line: int) -> Mapping[str, str]:
        """The environment of a host; -1: of a stranger."""
        return {"STORAGE_EMULATOR_HOST": self.lines[line].endpoint}

    @property
    def requests(self) -> int:
        """How many came through so far."""
        return sum(len(line.log) for line in self.lines)

    def broken(self, luck: Random, over: threading.Event, seconds: tuple[float, float], **settings: Any) -> bool:
        """Let a fault happen to some or all, for a while; whether a request met it."""
        lines = luck.choice([[luck.choice(self.lines)], [luck.choice(self.lines)], self.lines])
        rules = [(line, line.add(Rule(**settings))) for line in lines]
        over.wait(luck.uniform(*seconds))
        for line, rule in rules:
            line.rules.remove(rule)
            line.release(rule)
        return any(rule.hits for _, rule in rules)

    def away(self, luck: Random, over: threading.Event) -> bool:
        """Nobody listens where the storage was."""
        lines = luck.choice([[luck.choice(self.lines)], self.lines])
        for line in lines:
            line.refuse()
        over.wait(luck.uniform(0.3, 10))
        for line in lines:
            line.accept()
        return True
