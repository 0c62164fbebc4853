"""The judge of a tortured edge, which shares no code with it: what clients were told, against all that Kafka has.

    python tests/torture/edge/oracle.py SERVERS TOPIC DEAD_TOPIC SIGNALS SEED JOURNAL …    prints a verdict as JSON

Every record knows who it is, and what it has to look like is made again from the seed. A record that was answered
`stored` is at that very place, a refused one's dead letter too; what was not accepted is nowhere; what is unknown may
be there or not, as often as it was sent without being known. A request without an answer is one that a SIGKILL met
while it was on its way, or that crossed the end of an idle connection: every other one is a fault.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).parents[2]))

import orjson
from confluent_kafka import Consumer, KafkaError, TopicPartition
from torture.edge.sent import RecordId, Request, id_of, request_of

Place = tuple[str, int, int]
"""Topic, partition, offset."""

FAULTS_SHOWN = 20
CROSSED_SECONDS = 0.02
"""A FIN that is seen so soon after a request was sent was under way before, and a client that waits for a processor
sees it late: neither side could know of the other."""
CROSSED_SHARE_MAX = 1 / 10_000
CROSSED = "requests without an answer, whose connection was being ended when they were sent"

DYING_SECONDS, SHOWN_SECONDS = 0.5, 10.0
"""By then who was killed has no connection any more, and a client has seen that: on a machine loaded to its limit."""

Told = Literal["somewhere", "unknown", "nowhere"] | Place
"""What the answer to one attempt says of one record; `somewhere`: a summary names no places."""


@dataclass(frozen=True)
class Found:
    """A message. `marks` are the Idempotency-Key that it carries and its index."""

    value: bytes | None
    marks: tuple[bytes, bytes] | None


@dataclass
class Verdict:
    """`faults` are sentences, each with its kind before a colon."""

    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class Judge:
    """Holds what clients were told, `lines` of journals, against `found`: all messages of `topic` and `dead_topic`."""

    def __init__(
        self,
        seed: int,
        topic: str,
        dead_topic: str,
        found: Mapping[Place, Found],
        lines: Iterable[Mapping[str, Any]],
        kills: Sequence[tuple[float, float]],
        asked: Sequence[tuple[float, str]] = (),
    ) -> None:
        """`kills`: when each SIGKILL began and ended. `asked`: when something was told to end or to reload."""
        self.verdict = Verdict()
        self._seed, self._topic, self._dead_topic = seed, topic, dead_topic
        self._found, self._kills, self._asked = found, kills, asked
        self._attempts: dict[tuple[int, int], list[Mapping[str, Any]]] = defaultdict(list)
        for line in lines:
            if "counts" in line:
                self.verdict.counts.update(line["counts"])
            else:
                self._attempts[line["client"], line["request"]].append(line)

    def judge(self) -> Verdict:
        """Every fault, and how much of everything there was."""
        copies: dict[RecordId, list[Place]] = defaultdict(list)
        for place, message in self._found.items():
            record = self._recognised(place, message)
            if record is not None:
                copies[record].append(place)
        for (client, number), attempts in self._attempts.items():
            request = request_of(self._seed, client, number)
            told = [self._told(request, attempt) for attempt in attempts]
            for index in range(len(request.records)):
                record = (client, number, index)
                self._weigh(record, [each[index] for each in told], copies.pop(record, []))
        for record, places in copies.items():
            self._fault("from nowhere", f"{record} is at {places}, and nobody has sent it")
        crossed = self.verdict.counts[CROSSED]
        if crossed > max(1, CROSSED_SHARE_MAX * self.verdict.counts["requests"]):
            self._fault("unanswered", f"{crossed} requests crossed the end of their connection: chance makes fewer")
        return self.verdict

    def _recognised(self, place: Place, message: Found) -> RecordId | None:
        """Which record a message is; None where it is none as it was sent."""
        record = id_of(message.value)
        if record is None:
            self._fault("altered", f"what is at {place} is no record: {(message.value or b'')[:80]!r}")
            return None
        client, number, index = record
        request = request_of(self._seed, client, number)
        if index >= len(request.records) or request.records[index] != message.value:
            self._fault("altered", f"{record} at {place} has not the bytes that were sent")
            return None
        if request.marks[index] != message.marks:
            self._fault("altered", f"{record} at {place} is marked {message.marks}, not {request.marks[index]}")
        if place[0] != (self._dead_topic if index in request.broken else self._topic):
            self._fault("misplaced", f"{record} is in {place[0]}")
            return None
        return record

    def _weigh(self, record: RecordId, told: Sequence[Told], copies: list[Place]) -> None:
        """One record: what all attempts to send it were told, against where it is."""
        counts = self.verdict.counts
        counts["records"] += 1
        unknown = told.count("unknown")
        left = list(copies)
        for said in told:
            match said:
                case (_, _, _) if said in left:
                    left.remove(said)
                case (topic, partition, offset):
                    where = f"it is at {copies}" if copies else "it is nowhere"
                    self._fault(
                        "misplaced" if copies else "lost", f"{record}: told {topic} {partition}/{offset}; {where}"
                    )
                    return
        somewhere = told.count("somewhere")
        if somewhere > len(left):
            self._fault("lost", f"{record}: told to be in Kafka, {somewhere} times without a place; it is at {copies}")
            return
        more = len(left) - somewhere
        if more > unknown:
            why = "after it was sent with an unknown outcome" if unknown else "and no answer says so"
            self._fault("doubled" if len(copies) > 1 else "unasked", f"{record} is at {copies}, {why} {unknown} times")
        counts["records of unknown outcome"] += unknown
        counts["of them in Kafka"] += min(more, unknown)
        counts["records twice in Kafka, sent again after an unknown outcome"] += len(copies) > 1
        counts["records in Kafka, as answered"] += len(told) - unknown - told.count("nowhere")

    def _told(self, request: Request, attempt: Mapping[str, Any]) -> Sequence[Told]:
        """Of each record of a request, what one attempt was told; a wrong answer is a fault."""
        records = len(request.records)
        status = attempt.get("status")
        self.verdict.counts["requests"] += 1
        if status is None:
            self._look_at_unanswered(request, attempt)
            return ["unknown"] * records
        answer = attempt["answer"]
        if status in (202, 207, 422) and not request.malformed:
            self.verdict.counts[f"answered {status}"] += 1
            told = self._summarised(request, answer) if request.summary else self._results(request, answer)
            stored = sum(each != "unknown" and index not in request.broken for index, each in enumerate(told))
            refused = sum(each != "unknown" and index in request.broken for index, each in enumerate(told))
            counts = (answer["stored"], answer["refused"], answer["unknown"])
            if not request.summary and counts != (stored, refused, records - stored - refused):
                self._fault("answer", f"{_name(request)}: the counts {counts} are not those of the results")
            right = 202 if stored == records else 422 if refused == records else 207
            if status != right:
                self._fault("answer", f"{_name(request)}: status {status}, and it should be {right}")
            return told
        kind = str(answer.get("type", "")).removeprefix("/docs#")
        self.verdict.counts[f"answered {status} {kind}"] += 1
        if status == 504:
            return ["unknown"] * records
        if status not in (503, 429) and not (status == 400 and request.malformed):
            self._fault("answer", f"{_name(request)}: status {status} {answer}")
        return ["nowhere"] * records

    def _results(self, request: Request, answer: Mapping[str, Any]) -> Sequence[Told]:
        told: list[Told] = []
        for index, result in enumerate(answer["results"]):
            place = result.get("dead_letter") if result["status"] == "refused" else result
            right = "refused" if index in request.broken else "stored"
            if result["index"] != index or result["status"] not in (right, "unknown"):
                self._fault("answer", f"{_name(request)}: {result}, and record {index} is to be {right}")
            if result["status"] == "unknown":
                told.append("unknown")
            else:
                told.append((place["topic"], place["partition"], place["offset"]))
        if len(told) != len(request.records):
            self._fault("answer", f"{_name(request)}: {len(told)} results of {len(request.records)} records")
            return ["unknown"] * len(request.records)
        return told

    def _summarised(self, request: Request, answer: Mapping[str, Any]) -> Sequence[Told]:
        """Of a summary that leaves nothing unknown each record is in Kafka; else it says of none which it means."""
        counts = (answer["stored"], answer["refused"], answer["unknown"])
        broken = len(request.broken)
        if counts == (len(request.records) - broken, broken, 0):
            return ["somewhere"] * len(request.records)
        if sum(counts) != len(request.records) or not answer["unknown"]:
            self._fault("answer", f"{_name(request)}: the summary {counts} of {len(request.records)} records")
        return ["unknown"] * len(request.records)

    def _look_at_unanswered(self, request: Request, attempt: Mapping[str, Any]) -> None:
        sent, done = attempt["sent"], attempt["done"]
        if any(
            began <= done and sent <= ended + DYING_SECONDS and done <= ended + SHOWN_SECONDS
            for began, ended in self._kills
        ):
            self.verdict.counts["requests without an answer, by a SIGKILL"] += 1
        elif attempt["broke"] == "ended" and done - sent < CROSSED_SECONDS:
            self.verdict.counts[CROSSED] += 1
        elif attempt["raced"]:
            self.verdict.counts["requests without an answer, sent when their connection had ended"] += 1
        else:
            took = f"{done - sent:.3f} s after it was sent at {sent:.3f}"
            before = [f"{what} {done - at:.3f} s before" for at, what in self._asked if done - 20 < at < done]
            why = f"nothing was killed then; {', '.join(before) or 'and nothing else happened'}"
            self._fault("unanswered", f"{_name(request)}: {attempt['broke']}, {took}: {why}")

    def _fault(self, kind: str, said: str) -> None:
        self.verdict.counts[f"faults: {kind}"] += 1
        if self.verdict.counts[f"faults: {kind}"] <= FAULTS_SHOWN:
            self.verdict.faults.append(f"{kind}: {said}")


def _name(request: Request) -> str:
    return f"request {request.number} of client {request.client}"


def everything_in(servers: str, topics: Sequence[str]) -> Iterator[tuple[Place, Found]]:
    """Every message of the topics. Raises RuntimeError where Kafka does not give them."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "oracle",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )
    shapes = consumer.list_topics(timeout=30).topics
    places = [TopicPartition(topic, number, 0) for topic in topics for number in shapes[topic].partitions]
    consumer.assign(places)
    ended = 0
    while ended < len(places):
        message = consumer.poll(60)
        if message is None:
            raise RuntimeError("neither a message nor an end within 60 s")
        error = message.error()
        if error is None:
            headers = dict[Any, Any](message.headers() or [])
            key = headers.get("streamlake.idempotency_key")
            marks = None if key is None else (key, headers["streamlake.idempotency_index"])
            place = str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)
            yield place, Found(message.value(), marks)
        elif error.code() == KafkaError._PARTITION_EOF:
            ended += 1
        else:
            raise RuntimeError(f"the topics can't be read: {error}")
    consumer.close()


def lines_of(journals: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """The lines of all journals."""
    for journal in journals:
        with Path(journal).open("rb") as file:
            yield from map(orjson.loads, file)


def main() -> int:
    """The command."""
    servers, topic, dead_topic, signals, seed, *journals = sys.argv[1:]
    found = dict(everything_in(servers, [topic, dead_topic]))
    kills, asked = json.loads(signals)
    judge = Judge(int(seed), topic, dead_topic, found, lines_of(journals), kills, asked)
    verdict = judge.judge()
    print(json.dumps({"faults": verdict.faults, "counts": dict(sorted(verdict.counts.items()))}))
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
