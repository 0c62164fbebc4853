"""Posts records to the HTTP edge, a batch a request, and says what became of each: stored, refused, unknown or failed.

One request is under way at a time, so the records of a file keep their order.
"""

import gzip
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from urllib.parse import urlsplit
from uuid import uuid4

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError, SSLError

from streamlake.engine.errors import EdgeError, UsageError
from streamlake.engine.operations.post_answers import (
    Answered,
    NotStored,
    Outcome,
    Rejected,
    Reply,
    Unknown,
    outcome_of,
    plain,
)
from streamlake.engine.operations.post_tally import Batch, Posted, Record, Tally

ANSWER_BYTES_MAX = 64 * 1024 * 1024
WAIT_SECONDS_MIN = 0.1
WAIT_SECONDS_FIRST = 0.25
WAIT_SECONDS_LAST = 10.0
BLANK = b" \t\r"
LEFT_OPEN = "the edge does not know whether Kafka has them"
INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class PostOptions:
    """How records are posted. A request has `batch_records` and `batch_bytes_max` at most, before gzip.

    `retry_seconds_max` is how long a batch that is not taken is tried for. With `retry_unknown` a batch that may have
    been stored is sent again, too, and may then be there twice.
    """

    batch_records: int = 100
    batch_bytes_max: int = 512 * 1024
    gzip: bool = False
    retry_unknown: bool = False
    retry_seconds_max: float = 60.0
    connect_seconds: float = 5.0
    read_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Times:
    """Time and luck: seconds that only go up, the time of day since 1970, waiting, and a number in [0, 1)."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    wait: Callable[[float], None] = time.sleep
    luck: Callable[[], float] = random.random


def post(
    portions: Iterable[Sequence[bytes]],
    url: str,
    *,
    key: str | None = None,
    options: PostOptions | None = None,
    tally: Tally | None = None,
    progress: Callable[[int], None] = lambda _: None,
    times: Times | None = None,
) -> Posted:
    """Post the records in `portions`, each a JSON text in one line, to the stream at `url`; blank ones are left out.

    `key` is the API key. `tally` counts as the answers come: whoever hands one in knows how far it came also where this
    ends by an error or by Ctrl-C. `progress` is called with the number of records sent so far. Raises UsageError where
    `url` or `key` can't be used, EdgeError where the edge takes no request like these; anything else that becomes of a
    record is counted in the result.
    """
    times = times or Times()
    tally = tally or Tally()
    began = times.monotonic()
    poster = _Poster(_Edge(url, key, options or PostOptions()), options or PostOptions(), tally, times)
    try:
        poster.post(portions, progress)
    finally:
        tally.seconds = times.monotonic() - began
    return tally.posted()


class _Poster:
    """Takes the records apart into batches, and sends each until it is settled or its time is over."""

    def __init__(self, edge: "_Edge", options: PostOptions, tally: Tally, times: Times) -> None:
        self._edge = edge
        self._options = options
        self._tally = tally
        self._times = times
        self._records_max = options.batch_records

    def post(self, portions: Iterable[Sequence[bytes]], progress: Callable[[int], None]) -> None:
        for records in self._gathered(portions):
            waiting = deque([Batch(str(uuid4()), records)])
            while waiting:
                waiting.extendleft(reversed(self._settle(waiting.popleft())))
            progress(self._tally.sent)

    def _gathered(self, portions: Iterable[Sequence[bytes]]) -> Iterator[list[Record]]:
        records: list[Record] = []
        size = 0
        for index, value in enumerate(chain.from_iterable(portions)):
            if not value.strip(BLANK):
                continue
            if records and (len(records) >= self._records_max or size + len(value) >= self._options.batch_bytes_max):
                yield records
                records, size = [], 0
            records.append(Record(index, value))
            size += len(value) + 1
        if records:
            yield records

    def _settle(self, batch: Batch) -> list[Batch]:
        """Send the batch until it is settled, or the time is over. Gives its halves where it was too large."""
        deadline = self._times.monotonic() + self._options.retry_seconds_max
        for attempt in count():
            outcome = self._sent(batch)
            if isinstance(outcome, Rejected):
                if outcome.too_large and len(batch.records) > 1:
                    return self._halves(batch)
                self._tally.ended(batch, outcome.why, stored_perhaps=False)
                where = f"from line {batch.records[0].index + 1} on"
                raise EdgeError(f"{self._edge.url} takes nothing {where}: {outcome.why}")
            if isinstance(outcome, Answered):
                left_open = self._tally.answered(batch, outcome.results)
                if left_open is None:
                    return []
                batch, outcome = left_open, Unknown(LEFT_OPEN)
            left = deadline - self._times.monotonic()
            stored_perhaps = isinstance(outcome, Unknown)
            if left <= 0 or (stored_perhaps and not self._options.retry_unknown):
                self._tally.ended(batch, outcome.why, stored_perhaps=stored_perhaps)
                return []
            self._wait(batch, min(self._wait_seconds(outcome, attempt), left), stored_perhaps=stored_perhaps)
            self._tally.retried += 1
            if stored_perhaps:
                batch = self._tally.uncertain(batch)
        raise AssertionError("the loop ends by a return")

    def _sent(self, batch: Batch) -> Outcome:
        try:
            found = self._edge.send([record.value for record in batch.records], batch.key)
        except KeyboardInterrupt:
            self._tally.ended(batch, INTERRUPTED, stored_perhaps=True)
            raise
        return outcome_of(found, len(batch.records), self._times.wall()) if isinstance(found, Reply) else found

    def _wait(self, batch: Batch, seconds: float, *, stored_perhaps: bool) -> None:
        try:
            self._times.wait(seconds)
        except KeyboardInterrupt:
            self._tally.ended(batch, INTERRUPTED, stored_perhaps=stored_perhaps)
            raise

    def _wait_seconds(self, outcome: NotStored | Unknown, attempt: int) -> float:
        """What the edge asks for; else doubled each time and jittered, so that not all clients come back at once."""
        if isinstance(outcome, NotStored) and outcome.wait_seconds is not None:
            return max(WAIT_SECONDS_MIN, outcome.wait_seconds)
        doubled = min(WAIT_SECONDS_LAST, WAIT_SECONDS_FIRST * 2.0 ** min(attempt, 10))
        return doubled * (0.5 + self._times.luck() / 2)

    def _halves(self, batch: Batch) -> list[Batch]:
        """Two batches, and no later one is larger than these."""
        middle = len(batch.records) // 2
        self._records_max = min(self._records_max, middle)
        self._tally.retried += 1
        return [batch.part(range(middle)), batch.part(range(middle, len(batch.records)))]


class _Body:
    """The bytes of one request; `whole` once all of them were handed to the system."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.begun = False
        self.whole = False

    def __iter__(self) -> Iterator[bytes]:
        self.begun = True
        yield self._content
        self.whole = True


class _Edge:
    """One stream of the HTTP edge, on one connection that is kept. The only user of urllib3, whose errors stop here."""

    def __init__(self, url: str, key: str | None, options: PostOptions) -> None:
        """Raises UsageError where `url` or `key` can't be used; the key is never said."""
        self.url = _checked_url(url)
        self._gzip = options.gzip
        self._options = options
        self._headers = {
            "Content-Type": "application/x-ndjson",
            "Accept": "application/json",
            "User-Agent": "streamlake-post",
        }
        if key is not None:
            self._headers["Authorization"] = f"Bearer {_checked_key(key)}"
        if options.gzip:
            self._headers["Content-Encoding"] = "gzip"
        timeout = urllib3.Timeout(connect=options.connect_seconds, read=options.read_seconds)
        # Without `retries` nothing is sent twice behind our back, and no redirect takes the key to somebody else.
        self._pool = urllib3.PoolManager(num_pools=1, retries=False, timeout=timeout)

    def send(self, records: Sequence[bytes], idempotency_key: str) -> Reply | NotStored | Unknown | Rejected:
        """One request, sent once; the answer, or what its absence means."""
        content = b"".join(record + b"\n" for record in records)
        if self._gzip:
            content = gzip.compress(content, compresslevel=1, mtime=0)
        body = _Body(content)
        headers = {**self._headers, "Content-Length": str(len(content)), "Idempotency-Key": idempotency_key}
        try:
            response = self._pool.request("POST", self.url, body=body, headers=headers, preload_content=False)
            try:
                said = response.read(ANSWER_BYTES_MAX + 1)
            finally:
                if response.length_remaining != 0:
                    response.close()
                response.release_conn()
        except HTTPError as error:
            return self._without_answer(error, body)
        if len(said) > ANSWER_BYTES_MAX:
            return Unknown(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        return Reply(response.status, {name.lower(): value for name, value in response.headers.items()}, said)

    def _without_answer(self, error: HTTPError, body: _Body) -> NotStored | Unknown | Rejected:
        """A request whose body did not leave as a whole is none: then nothing can have been stored."""
        if body.whole:
            if isinstance(error, ReadTimeoutError):
                return Unknown(f"no answer within {self._options.read_seconds:g} s")
            return Unknown("the connection broke before the answer had come")
        if body.begun:
            return NotStored("the connection broke before the request was sent as a whole")
        if isinstance(error, SSLError):
            return Rejected(f"no TLS connection: {plain(str(error))}")
        if isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError):
            return NotStored(f"no connection within {self._options.connect_seconds:g} s")
        return NotStored(f"no connection: {_cause(error)}")


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        urllib3.util.parse_url(url)
    except ValueError:
        usable = False
    else:
        if "@" in parts.netloc:
            raise UsageError("the address must not hold a name or a password: an API key goes into a header")
    if not usable:
        raise UsageError(f"{plain(url)!r} is no address to post to, as in http://127.0.0.1:8080/ingest/orders")
    return url


def _checked_key(key: str) -> str:
    if not key or not all("!" <= char <= "~" for char in key):
        raise UsageError("the API key is empty or has characters that no key has: is it the key, and only the key?")
    return key


def _cause(error: BaseException) -> str:
    """What the system said, as `Connection refused`; else the library's own words."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        found = found.__cause__ or found.__context__
    return plain(str(error))
