"""The demo's HTTP leg: good and bad orders posted to the edge, the answer, and each of them found where it says."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from streamlake.engine.errors import LocalError
from streamlake.engine.local.demo.commands import Commands
from streamlake.engine.local.demo.screen import Screen
from streamlake.engine.local.orders import orders

GOOD = 3
READY_SECONDS = 30.0
BAD = (
    b'{"order_id": 4711, "customer_id": 7, "status": "O", "currency": "EUR", "total": "a lot"}',
    b'{"order_id": 4712, "customer_',
)
LINES = "application/x-ndjson"

Place = tuple[int, int]
"""Partition and offset."""


@dataclass(frozen=True, slots=True)
class Posted:
    """The records as they were sent, and the answer."""

    records: Sequence[bytes]
    status: int
    answer: Mapping[str, Any]

    @property
    def stored(self) -> Mapping[Place, bytes]:
        """What was sent, by the place that the answer names."""
        results = zip(self.records, self.answer["results"], strict=True)
        return {(one["partition"], one["offset"]): sent for sent, one in results if one["status"] == "stored"}

    @property
    def refused(self) -> Sequence[Mapping[str, Any]]:
        """The results of the refused ones."""
        return [one for one in self.answer["results"] if one["status"] == "refused"]


def post_orders(commands: Commands, arguments: Sequence[str], screen: Screen) -> Posted:
    """Start the edge, post some orders in one request, and stop it. Raises LocalError where it does not start."""
    good = [value for batch in orders(GOOD, seed=8) for _, value in batch if value is not None]
    records = [good[0], BAD[0], *good[1:], BAD[1]]
    with _edge(commands, arguments) as url:
        screen.say("Three good orders and two bad ones, a line each, in one request:")
        screen.command(
            ["curl", "-X", "POST", f"{url}/ingest/orders", "-H", f"content-type: {LINES}", "--data-binary", "@-"]
        )
        screen.output(line.decode()[:88] + (" …" if len(line) > 88 else "") for line in records)
        body = b"\n".join(records)
        status, answer = _sent(Request(f"{url}/ingest/orders", body, {"content-type": LINES}))  # noqa: S310  (ours)
    screen.say(f"The answer, {status}, once Kafka had acknowledged all of them:")
    screen.output(json.dumps(one) for one in answer["results"])
    return Posted(records, status, answer)


def account(
    posted: Posted, found: Mapping[Place, bytes], letters: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, bool]]:
    """A sentence for each thing that has to hold, and whether it does."""
    stored, refused = posted.stored, posted.refused
    whole = posted.status == 207 and len(stored) == GOOD and len(refused) == len(BAD)
    yield f"HTTP: {len(posted.records)} posted = {len(stored)} stored + {len(refused)} refused", whole
    alike = sum(found.get(place) == sent for place, sent in stored.items())
    yield (
        f"HTTP: {alike} of them lie in the lake, at the offset of the answer and byte for byte as posted",
        alike == GOOD,
    )
    reasons = sorted((one["reason"], one["message"]) for one in refused)
    copies = sorted((one["reason"], one["message"]) for one in letters)
    yield f"HTTP: {len(copies)} are in the dead-letter topic, for the reasons of the answer", reasons == copies


@contextmanager
def _edge(commands: Commands, arguments: Sequence[str]) -> Iterator[str]:
    """Its address, once it takes records."""
    with commands.following(*arguments) as events:
        for event in events:
            if event["event"] == "listening":
                url = str(event["url"])
                break
            if event["event"] == "exit":
                raise LocalError(f"`streamlake serve` ended with exit code {event['code']}: the demo stops here")
        else:
            raise LocalError("`streamlake serve` ended without a word: the demo stops here")
        deadline = time.monotonic() + READY_SECONDS
        while _sent(Request(f"{url}/readyz"))[0] != 200:  # noqa: S310  (ours)
            if time.monotonic() > deadline:
                raise LocalError(f"`streamlake serve` was not ready within {READY_SECONDS:g} s")
            time.sleep(0.05)
        yield url


def _sent(request: Request) -> tuple[int, dict[str, Any]]:
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)
    except URLError as error:
        raise LocalError(f"`streamlake serve` does not answer: {error.reason}") from None
