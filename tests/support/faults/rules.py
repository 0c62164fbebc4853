"""What a fault proxy does to which requests."""

import asyncio
import math
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, get_args

Fault = Literal[
    "status",
    "lose_request",
    "lose_reply",
    "cut_reply",
    "tear_request",
    "hang",
    "drip",
    "late",
    "wrong_checksum",
    "refuse",
]


@dataclass
class Rule:
    """One fault: of the matching requests `pass_first` pass, the next `times` have it, for `seconds` from the first on.

    `method` is a regular expression for all of the method, `path` one that is searched in path and query.

    do = status          answer `status`, `headers`, `body`; the server never sees it (after=True: it did the work)
         lose_request    read it, do nothing, close
         lose_reply      the server does the work; close
         cut_reply       the server does the work; the first `at_bytes` of its reply (head and all), then close
         tear_request    read `at_bytes` of its body and close; the server never sees it (pass_on=True: it sees as much)
         hang            hold it for `delay_seconds`, or until the caller goes, then close (after=True: the server did
                         the work at once)
         drip            the server does the work; its reply comes in pieces of `at_bytes`, `delay_seconds` apart
         late            close (hold=True: hold until the caller goes); the server does it only `delay_seconds` later
         wrong_checksum  another crc32c in a JSON reply, another last byte in any other
         refuse          close all connections and listen to nobody for `delay_seconds`

    reset=True ends connections by RST instead of FIN. `hit` is set when it happens for the first time, `delivered` when
    a late request has been done. `FaultProxy.release` ends `delay_seconds` at once.
    """

    do: Fault
    method: str = ".*"
    path: str = ""
    pass_first: int = 0
    times: float = 1
    seconds: float = math.inf
    after: bool = False
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    at_bytes: int = 0
    pass_on: bool = False
    hold: bool = False
    reset: bool = False
    delay_seconds: float = math.inf
    hits: int = 0
    hit: threading.Event = field(default_factory=threading.Event, repr=False)
    delivered: threading.Event = field(default_factory=threading.Event, repr=False)
    released: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def __post_init__(self) -> None:
        if self.do not in get_args(Fault):
            raise ValueError(f"no fault {self.do!r}: {', '.join(get_args(Fault))}")
        self._seen = 0
        self._ends_at = math.inf

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """As a process is told it; null stands for ever."""
        known = {each.name for each in fields(cls)} - {"hits", "hit", "delivered", "released"}
        if unknown := set(values) - known:
            raise ValueError(f"no setting {', '.join(sorted(unknown))}: a rule has {', '.join(sorted(known))}")
        settings: dict[str, Any] = {name: math.inf if value is None else value for name, value in values.items()}
        return cls(**settings)

    def takes(self, method: str, target: str, now_seconds: float) -> bool:
        """Whether this request is one of those; asked once for each request."""
        if not (re.fullmatch(self.method, method) and re.search(self.path, target)):
            return False
        self._seen += 1
        if not self.pass_first < self._seen <= self.pass_first + self.times or now_seconds > self._ends_at:
            return False
        self.hits += 1
        if self.hits == 1:
            self._ends_at = now_seconds + self.seconds
        return True

    async def wait(self) -> None:
        """`delay_seconds`, or until it is released."""
        timeout = None if self.delay_seconds == math.inf else self.delay_seconds
        with suppress(TimeoutError):
            await asyncio.wait_for(self.released.wait(), timeout)
