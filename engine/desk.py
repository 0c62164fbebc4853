"""Answers the workers' questions to the broker: one request for all that wait, off the supervisor's main loop."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streamlake.engine.contracts import Cluster, Membership, TopicFacts
from streamlake.engine.errors import StreamLakeError
from streamlake.engine.records import TopicPartition

RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a partition's facts, a topic's id, or whether the coordinator still counts us in (`seat`)."""

    kind: str
    source: TopicPartition


@dataclass(frozen=True, slots=True)
class Answer:
    """A question with what the broker said; `asked_at` is when it was sent (monotonic seconds)."""

    question: Question
    asked_at: float
    facts: TopicFacts | None = None
    topic_id: str | None = None


class Desk:
    """Collects questions, asks in a thread of its own, and keeps asking while the broker is away.

    `ask` and `answers` belong to the supervisor's thread; `fileno` becomes readable when answers wait.
    """

    def __init__(self, cluster: Cluster, membership: Membership, group_id: str, say: Callable[[str], None]) -> None:
        self._cluster, self._membership, self._group_id, self._say = cluster, membership, group_id, say
        self._questions: set[Question] = set()
        self._answers: deque[Answer] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._silent: list[TopicPartition] = []  # partitions without an answer, as last said
        self._readable, self._writable = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="desk", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """For `multiprocessing.connection.wait`."""
        return self._readable

    def ask(self, question: Question) -> None:
        """Put a question down; the same question twice is asked once, later than both."""
        with self._changed:
            self._questions.add(question)
            self._changed.notify()

    def answers(self) -> list[Answer]:
        """Take all answers that have come."""
        with self._changed:
            answers = list(self._answers)
            self._answers.clear()
            if answers:
                os.read(self._readable, 65536)
        return answers

    def close(self) -> None:
        """Stop asking; a request under way is left to end by its own time-out."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=1.0)

    def _serve(self) -> None:
        while questions := self._waiting():
            try:
                answers = self._ask_broker(questions)
            except StreamLakeError as error:
                self._say(f"the broker does not answer, asking again: {error}")
                answers = []
            answered = {answer.question for answer in answers}
            with self._changed:
                self._questions |= questions - answered
                if answers:
                    if not self._answers:
                        os.write(self._writable, b".")
                    self._answers.extend(answers)
                if answered != questions and not self._closed:
                    self._changed.wait_for(lambda: self._closed, timeout=RETRY_SECONDS)

    def _waiting(self) -> set[Question]:
        """All questions that wait, as soon as there is one; none when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._questions or self._closed)
            questions, self._questions = self._questions, set()
            return set() if self._closed else questions

    def _ask_broker(self, questions: set[Question]) -> list[Answer]:
        answers: list[Answer] = []
        of_kind: Mapping[str, list[Question]] = {
            kind: [question for question in questions if question.kind == kind]
            for kind in ("facts", "topic_id", "seat")
        }
        if of_kind["topic_id"]:
            asked_at = time.monotonic()
            ids = self._cluster.topic_ids(sorted({question.source.topic for question in of_kind["topic_id"]}))
            answers += [Answer(q, asked_at, topic_id=ids.get(q.source.topic)) for q in of_kind["topic_id"]]
        for question in of_kind["seat"]:
            asked_at = time.monotonic()
            if self._membership.confirm(question.source):
                answers.append(Answer(question, asked_at))
        if of_kind["facts"]:
            answers += self._ask_for_facts(of_kind["facts"])
        return answers

    def _ask_for_facts(self, questions: list[Question]) -> list[Answer]:
        """Last, and of all partitions that have a leader: commits wait for the other answers, and for no leader."""
        facts = self._cluster.facts([question.source for question in questions], self._group_id, incomplete=True)
        silent = sorted({question.source for question in questions} - facts.keys())
        if silent and silent != self._silent:
            names = ", ".join(map(str, silent))
            self._say(f"no leader answers for {names}; asking again, the others go on")
        self._silent = silent
        return [Answer(q, facts[q.source].asked_at, facts[q.source]) for q in questions if q.source in facts]
