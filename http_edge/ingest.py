"""The path of a request, top to bottom: from the bytes of its body to what Kafka said of each record."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson
import structlog

from streamlake.engine.errors import BreakerError, IsolationError, ValidatorError
from streamlake.engine.kafka.letter_records import LESS
from streamlake.engine.kafka.loop_producer import Failure, Outcome, Place
from streamlake.engine.letters import dead_letters_of
from streamlake.engine.records import Batch, DeadLetter, Header, Reason, Refusal, Verdict
from streamlake.http_edge import answers
from streamlake.http_edge.admission import RETRY_SECONDS, Admitted
from streamlake.http_edge.answers import Answer
from streamlake.http_edge.bodies import decompressed
from streamlake.http_edge.edge import Edge
from streamlake.http_edge.problems import ProblemError
from streamlake.http_edge.streams import NOWHERE, Stream, marks

log = structlog.get_logger("streamlake.http")

LETTER_BYTES = 1000
"""About what a dead letter's own headers take: of small records it is most of what waits for Kafka."""


async def ingest(edge: Edge, admitted: Admitted, head: Mapping[bytes, bytes], body: bytes) -> Answer:
    """Take a request's records. Returns when Kafka has said what became of all, or its time is up.

    Raises ProblemError where none of them was given to Kafka, or nothing is known of any.
    """
    stream = admitted.stream

    # 1. Take the body apart. Nothing has left this process before 4.
    settings = stream.settings
    plain = decompressed(body, admitted.encoding, settings.decompressed_max, settings.ratio_max)
    records = admitted.split(plain, settings.records_max)
    _check_count(edge, admitted, len(records))

    # 2. Decide: the same policies, the same validator and so the same answer as a worker's.
    batch = stream.batch(records, [stream.key_of(record) for record in records])
    try:
        verdict = await _decided(edge, stream, batch, body)
    except (ValidatorError, IsolationError, BreakerError) as error:
        log.error("the validator's answer is none", stream=stream.name, why=str(error))  # noqa: TRY400  (a sentence)
        raise ProblemError("internal", "the validator failed; nothing was stored") from None

    # 3. Mark each record, so that a repetition can be recognised.
    marked = marks(head, admitted.idempotency_key, len(records))

    # 4. Send: accepted ones to the topic, refused ones to the dead letters; and wait for Kafka's word on each.
    sending = _Sending(edge, stream, batch, marked, {refusal.index: refusal for refusal in verdict.refused})
    await sending.all(len(plain))

    # 5. Answer, and only now.
    return sending.answer()


async def _decided(edge: Edge, stream: Stream, batch: Batch, body: bytes) -> Verdict:
    """The verdict. What a worker has died of is decided apart, as it is in a pipeline."""
    if edge.suspects.has(body):
        return await asyncio.to_thread(stream.decide_apart, batch)
    edge.suspects.begin(body)
    try:
        return stream.decide(batch)
    finally:
        edge.suspects.end()


def _check_count(edge: Edge, admitted: Admitted, count: int) -> None:
    stream = admitted.stream
    if count > stream.settings.records_max:
        limit = stream.settings.records_max
        detail = f"the body has {count} records, and {limit} are taken; send less at a time"
        raise ProblemError("too-large", detail, more={"limit_records": limit})
    if stream.bucket is not None:
        wait = edge.quotas.take(f"{admitted.owner}/{stream.name}", stream.bucket, count)
        if wait:
            seconds = math.ceil(wait)
            detail = f"{stream.bucket.rate:g} records a second may be sent; these {count} in {seconds} s"
            raise ProblemError("rate-limit", detail, {"Retry-After": str(seconds)})


class _Sending:
    """A request's records on their way: each has a refusal or none, and in the end an outcome.

    The outcome of a refused record is that of its dead letter.
    """

    def __init__(
        self,
        edge: Edge,
        stream: Stream,
        batch: Batch,
        marked: Sequence[Sequence[Header]],
        refused: dict[int, Refusal],
    ) -> None:
        self._edge, self._stream, self._batch, self._marked = edge, stream, batch, marked
        self._refused = refused
        self._outcomes: list[Outcome | None] = [None] * len(batch)
        self._less = [0] * len(batch)
        """What was left out of each dead letter, see LESS."""
        self._deadline = asyncio.get_running_loop().time() + edge.settings.delivery_seconds

    async def all(self, size: int) -> None:
        """Send everything, `size` bytes of it; what the brokers refuse becomes a dead letter, and is sent as one."""
        indices: Sequence[int] = range(len(self._batch))
        while indices:
            await self._send(indices, size)
            indices = [index for index in indices if self._goes_again(index)]

    async def _send(self, indices: Sequence[int], size: int) -> None:
        producer, stream, batch, marked = self._edge.producer, self._stream, self._batch, self._marked
        refused, letters = self._refused, stream.letters
        if letters is None and refused:
            indices = [index for index in indices if index not in refused]  # there is nowhere to copy them to
            if not indices:
                return
        size += len(indices) * sum(len(name) + len(value or b"") for name, value in marked[0])
        size += LETTER_BYTES * len(refused)
        shipment = producer.shipment(len(indices), size)
        send, topic, keys, values = producer.send, stream.topic, batch.keys, batch.values
        for position, index in enumerate(indices):
            if index not in refused:
                send(shipment, position, topic, keys[index], values[index], marked[index])
            else:
                assert letters is not None, "left out above"
                key, value, headers = letters.fitting(self._letter(index), self._less[index])
                send(shipment, position, stream.dead_letter_topic or "", key, value, headers)
        producer.sent()
        if await producer.arrival(shipment, self._deadline):
            self._edge.of_stream[stream.name].delivered(shipment.seconds)
        else:
            producer.give_up(shipment)
        for position, index in enumerate(indices):
            self._outcomes[index] = shipment.outcomes[position]

    def _letter(self, index: int) -> DeadLetter:
        refusal = self._refused[index]
        (letter,) = dead_letters_of(self._batch, Verdict((refusal,)), self._batch.timestamps_ms[index])
        return replace(letter, offset=NOWHERE, headers=self._marked[index])

    def _goes_again(self, index: int) -> bool:
        """Whether the brokers refused the record itself: it goes as a dead letter, or its letter as a smaller one."""
        outcome = self._outcomes[index]
        if not isinstance(outcome, Failure) or outcome.kind not in ("too_large", "invalid"):
            return False
        if index not in self._refused:
            reason: Reason = "oversize" if outcome.kind == "too_large" else "invalid"
            self._refused[index] = Refusal(index, reason, outcome.message)
            return True
        self._less[index] += 1
        return outcome.kind == "too_large" and self._less[index] < len(LESS)

    def answer(self) -> Answer:
        """What became of each. Raises ProblemError where that is known of none."""
        stream, outcomes, refused = self._stream, self._outcomes, self._refused
        topic, nowhere = orjson.dumps(stream.topic)[1:-1], stream.letters is None
        results: list[bytes] = []
        stored = unknown = 0
        for index, outcome in enumerate(outcomes):
            if index in refused and (nowhere or isinstance(outcome, Place)):
                place = (stream.dead_letter_topic or "", *outcome) if isinstance(outcome, Place) else None
                results.append(answers.refused(refused[index], place))
            elif isinstance(outcome, Place):
                stored += 1
                results.append(answers.stored(index, topic, outcome.partition, outcome.offset))
            else:
                unknown += 1
                results.append(answers.unknown(index))
        if unknown == len(results):
            raise self._nothing_known()
        return Answer(stored, len(results) - stored - unknown, unknown, results)

    def _nothing_known(self) -> ProblemError:
        failures = [outcome for outcome in self._outcomes if isinstance(outcome, Failure)]
        count = len(self._outcomes)
        why = failures[0].message if failures else f"no answer within {self._edge.settings.delivery_seconds:g} s"
        if len(failures) == count and all(failure.kind != "unknown" for failure in failures):
            return ProblemError("not-stored", f"nothing was stored: {why}", {"Retry-After": str(RETRY_SECONDS)})
        detail = (
            f"it may have been stored: {why}. Send it again with the same Idempotency-Key: it stands in the header "
            "streamlake.idempotency_key of each record, so that whoever reads recognises a repetition"
        )
        return ProblemError("outcome-unknown", detail, more={"stored": 0, "refused": 0, "unknown": count})
