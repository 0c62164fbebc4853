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

from streamlake.engine.codes.kafka import UNREACHABLE
from streamlake.engine.contracts import Cluster, Membership, TopicFacts
from streamlake.engine.errors import StreamLakeError
from streamlake.engine.locked_out import LockedOut
from streamlake.engine.records import TopicPartition
from streamlake.engine.retention import Unread

RETRY_SECONDS = 0.5
CLOSE_SECONDS = 1.0

AGAIN_SECONDS = 60.0
"""How often the same trouble is said."""

Kind = Literal["topic_id", "seat", "facts", "ends", "unread"]
AskUnread = Callable[[Mapping[TopicPartition, int | None]], Mapping[TopicPartition, Unread]]
"""`engine/retention.py`'s `ask_unread` with what it needs."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a partition's facts, a topic's id, or whether the coordinator still counts us in (`seat`).

    `ends`: its facts without the group's offset, for which a coordinator would have to answer, too: it is asked again
    and again, and what becomes of that tells whether the broker is there.
    `unread`: how long Kafka keeps what has not landed; `landed_ms` is the time of a record that landed lately.
    """

    kind: Kind
    source: TopicPartition
    landed_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A question with what the broker said; `asked_at` is when it was sent (monotonic seconds)."""

    question: Question
    asked_at: float
    facts: TopicFacts | None = None
    topic_id: str | None = None
    unread: Unread | None = None
    gone: bool = False
    """The cluster has no such topic (any more)."""


class Desk:
    """Collects questions, asks in threads of its own, and keeps asking while the broker is away.

    `ask` and `answers` belong to the supervisor's thread; `fileno` becomes readable when answers wait.
    """

    def __init__(
        self,
        cluster: Cluster,
        membership: Membership,
        group_id: str | None,
        say: Callable[[str], None],
        ask_unread: AskUnread = lambda _: {},
    ) -> None:
        self._cluster, self._membership, self._group_id, self._say = cluster, membership, group_id, say
        self._unread = ask_unread
        self._locked_out = LockedOut()
        self._questions: dict[Kind, set[Question]] = {kind: set() for kind in get_args(Kind)}
        self._answers: deque[Answer] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.away = ""
        """Why the last question for ends was not answered, or not for all; "" when it was."""
        self._said: dict[Kind, tuple[str, float]] = {}
        self._silent: list[TopicPartition] = []  # partitions without an answer, as last said
        self._not_known = ""  # why it is not known how long Kafka keeps what is unread, as last said
        self._readable, self._writable = os.pipe()
        ways: Mapping[Kind, Callable[[set[Question]], list[Answer]]] = {
            "topic_id": self._ask_for_ids,
            "seat": self._ask_for_seats,
            "facts": self._ask_for_facts,
            "ends": self._ask_for_ends,
            "unread": self._ask_for_unread,
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
                self._failed(kind, error)
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

    def _failed(self, kind: Kind, error: StreamLakeError) -> None:
        """Say it now and then; that a broker is away is said by whoever sees `away`, once for all questions."""
        locked_out = self._locked_out.heard(error)
        if kind == "ends":
            self.away = str(error)
        if kind == "ends" or locked_out:
            return
        if self.away and error.code is UNREACHABLE:
            return
        now, (said, said_at) = time.monotonic(), self._said.get(kind, ("", 0.0))
        if str(error) != said or now - said_at >= AGAIN_SECONDS:
            self._said[kind] = str(error), now
            self._say(f"the broker does not answer, asking again: {error}")

    def _waiting(self, kind: Kind) -> set[Question]:
        """All questions of this kind that wait, as soon as there is one; none when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._questions[kind] or self._closed)
            questions, self._questions[kind] = self._questions[kind], set()
            return set() if self._closed else questions

    def _ask_for_ids(self, questions: set[Question]) -> list[Answer]:
        asked_at = time.monotonic()
        ids = self._cluster.topic_ids(sorted({question.source.topic for question in questions}))
        self._locked_out.answered()
        return [Answer(question, asked_at, topic_id=ids.get(question.source.topic)) for question in questions]

    def _ask_for_seats(self, questions: set[Question]) -> list[Answer]:
        asked_at = time.monotonic()
        confirmed = self._membership.confirm(sorted(question.source for question in questions))
        return [Answer(question, asked_at) for question in questions if question.source in confirmed]

    def _ask_for_facts(self, questions: set[Question]) -> list[Answer]:
        """Of all partitions that have a leader; the others are asked for again."""
        facts = self._cluster.facts([question.source for question in questions], self._group_id, incomplete=True)
        self._locked_out.answered()
        silent = sorted({question.source for question in questions} - facts.keys())
        if silent and silent != self._silent:
            names = ", ".join(map(str, silent))
            self._say(f"no leader answers for {names}; asking again, the others go on")
        self._silent = silent
        return [Answer(q, facts[q.source].asked_at, facts[q.source]) for q in questions if q.source in facts]

    def _ask_for_ends(self, questions: set[Question]) -> list[Answer]:
        """As for facts, without the group; that there is no such topic is an answer, too."""
        facts = self._cluster.facts([question.source for question in questions], None, incomplete=True)
        self._locked_out.answered()
        silent = sorted({question.source for question in questions} - facts.keys())
        asked_at, topics = time.monotonic(), sorted({source.topic for source in silent})
        ids = self._cluster.topic_ids(topics) if topics else {}
        gone = {source for source in silent if ids.get(source.topic) is None}
        silent = [source for source in silent if source not in gone]
        self.away = f"no leader answers for {', '.join(map(str, silent))}" if silent else ""
        answers = [Answer(q, facts[q.source].asked_at, facts[q.source]) for q in questions if q.source in facts]
        return [*answers, *(Answer(q, asked_at, gone=True) for q in questions if q.source in gone)]

    def _ask_for_unread(self, questions: set[Question]) -> list[Answer]:
        """Each is answered, if only with nothing: it is asked again in a while, and a missing right stays missing."""
        asked_at, found, not_known = time.monotonic(), dict[TopicPartition, Unread](), ""
        try:
            found.update(self._unread({question.source: question.landed_ms for question in questions}))
        except StreamLakeError as error:
            if not self._locked_out.heard(error):
                not_known = f"not known how long Kafka keeps what has not landed (the alarm is off): {error}"
        if not_known and not_known != self._not_known:
            self._say(not_known)
        self._not_known = not_known
        return [Answer(question, asked_at, unread=found.get(question.source)) for question in questions]
