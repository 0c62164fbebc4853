"""Answers the workers' questions to the broker: one request for all that wait, off the supervisor's main loop.

Each kind of question has a thread of its own: a commit waits for a topic's id, and shall not wait for a leader that is
missing, or for a coordinator that gives no answer.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from streamlake.engine.contracts import Cluster, Membership, TopicFacts
from streamlake.engine.errors import StreamLakeError
from streamlake.engine.records import TopicPartition

RETRY_SECONDS = 0.5
CLOSE_SECONDS = 1.0

Kind = Literal["topic_id", "seat", "facts"]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a partition's facts, a topic's id, or whether the coordinator still counts us in (`seat`)."""

    kind: Kind
    source: TopicPartition


@dataclass(frozen=True, slots=True)
class Answer:
    """A question with what the broker said; `asked_at` is when it was sent (monotonic seconds)."""

    question: Question
    asked_at: float
    facts: TopicFacts | None = None
    topic_id: str | None = None


class Desk:
    """Collects questions, asks in threads of its own, and keeps asking while the broker is away.

    `ask` and `answers` belong to the supervisor's thread; `fileno` becomes readable when answers wait.
    """

    def __init__(self, cluster: Cluster, membership: Membership, group_id: str, say: Callable[[str], None]) -> None:
        self._cluster, self._membership, self._group_id, self._say = cluster, membership, group_id, say
        self._questions: dict[Kind, set[Question]] = {kind: set() for kind in get_args(Kind)}
        self._answers: deque[Answer] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._silent: list[TopicPartition] = []  # partitions without an answer, as last said
        self._readable, self._writable = os.pipe()
        ways: Mapping[Kind, Callable[[set[Question]], list[Answer]]] = {
            "topic_id": self._ask_for_ids,
            "seat": self._ask_for_seats,
            "facts": self._ask_for_facts,
        }
        self._threads = [
            threading.Thread(target=self._serve, args=(kind, way), name=f"desk: {kind}", daemon=True)
            for kind, way in ways.items()
        ]
        for thread in self._threads:
            thread.start()

    def fileno(self) -> int:
        """For `multiprocessing.connection.wait`."""
        return self._readable

    def ask(self, question: Question) -> None:
        """Put a question down; the same question twice is asked once, later than both."""
        with self._changed:
            self._questions[question.kind].add(question)
            self._changed.notify_all()

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
            self._changed.notify_all()
        until = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))

    def _serve(self, kind: Kind, ask: Callable[[set[Question]], list[Answer]]) -> None:
        while questions := self._waiting(kind):
            try:
                answers = ask(questions)
            except StreamLakeError as error:
                self._say(f"the broker does not answer, asking again: {error}")
                answers = []
            answered = {answer.question for answer in answers}
            with self._changed:
                self._questions[kind] |= questions - answered
                if answers:
                    if not self._answers:
                        os.write(self._writable, b".")
                    self._answers.extend(answers)
                if answered != questions and not self._closed:
                    self._changed.wait_for(lambda: self._closed, timeout=RETRY_SECONDS)

    def _waiting(self, kind: Kind) -> set[Question]:
        """All questions of this kind that wait, as soon as there is one; none when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._questions[kind] or self._closed)
            questions, self._questions[kind] = self._questions[kind], set()
            return set() if self._closed else questions

    def _ask_for_ids(self, questions: set[Question]) -> list[Answer]:
        asked_at = time.monotonic()
        ids = self._cluster.topic_ids(sorted({question.source.topic for question in questions}))
        return [Answer(question, asked_at, topic_id=ids.get(question.source.topic)) for question in questions]

    def _ask_for_seats(self, questions: set[Question]) -> list[Answer]:
        asked_at = time.monotonic()
        confirmed = self._membership.confirm(sorted(question.source for question in questions))
        return [Answer(question, asked_at) for question in questions if question.source in confirmed]

    def _ask_for_facts(self, questions: set[Question]) -> list[Answer]:
        """Of all partitions that have a leader; the others are asked for again."""
        facts = self._cluster.facts([question.source for question in questions], self._group_id, incomplete=True)
        silent = sorted({question.source for question in questions} - facts.keys())
        if silent and silent != self._silent:
            names = ", ".join(map(str, silent))
            self._say(f"no leader answers for {names}; asking again, the others go on")
        self._silent = silent
        return [Answer(q, facts[q.source].asked_at, facts[q.source]) for q in questions if q.source in facts]
