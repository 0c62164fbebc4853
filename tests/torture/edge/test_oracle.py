"""The judge of a tortured edge, judged: a true history passes, and each kind of broken one is refused by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from torture.edge.oracle import Found, Judge, Place
from torture.edge.sent import Request, request_of

SEED, CLIENT = 7, 3
Line = dict[str, Any]


class History:
    """What a true edge would have answered and stored, to be falsified."""

    def __init__(self) -> None:
        self.found: dict[Place, Found] = {}
        self.lines: list[Line] = []
        self.kills: list[tuple[float, float]] = []

    def store(self, request: Request) -> Sequence[Place]:
        """Put a request's records where they belong."""
        places = []
        for index, (value, marks) in enumerate(zip(request.records, request.marks, strict=True)):
            topic = "dead" if index in request.broken else "topic"
            places.append((topic, 0, len(self.found)))
            self.found[places[-1]] = Found(value, marks)
        return places

    def say(self, request: Request, **told: Any) -> Line:
        """Write down what one attempt was told."""
        line = {"client": request.client, "request": request.number, "sent": 10.0, "done": 10.5, "raced": False, **told}
        self.lines.append(line)
        return line

    def answer(self, request: Request) -> Line:
        """Store it and answer so."""
        places = self.store(request)
        results = [
            {"index": index, "status": "refused", "dead_letter": _place(place)}
            if index in request.broken
            else {"index": index, "status": "stored", **_place(place)}
            for index, place in enumerate(places)
        ]
        refused = len(request.broken)
        stored = len(results) - refused
        status = 202 if not refused else 207 if stored else 422
        answer = {"stored": stored, "refused": refused, "unknown": 0, "results": results}
        return self.say(request, status=status, answer=answer)

    def faults(self) -> set[str]:
        """The kinds of all faults."""
        judge = Judge(SEED, "topic", "dead", self.found, self.lines, self.kills)
        return {fault.partition(":")[0] for fault in judge.judge().faults}


def _place(place: Place) -> Mapping[str, Any]:
    return dict(zip(("topic", "partition", "offset"), place, strict=True))


def first(holds: Callable[[Request], bool]) -> Request:
    """The first request of a client that is so."""
    return next(one for number in range(10_000) if holds(one := request_of(SEED, CLIENT, number)))


def told(one: Request) -> bool:
    """One that is answered with all places, and sent once."""
    return not (one.summary or one.malformed or one.idempotency_key)


MIXED = first(lambda one: told(one) and bool(one.broken) and len(one.records) > 2)
PLAIN = first(lambda one: told(one) and not one.broken and len(one.records) > 2)
SUMMARY = first(lambda one: one.summary and not one.malformed and not one.broken and not one.idempotency_key)
KEYED = first(lambda one: one.idempotency_key is not None and not one.summary and not one.malformed)
MALFORMED = first(lambda one: one.malformed)


@pytest.fixture
def history() -> History:
    """A true one, of each kind."""
    made = History()
    made.answer(MIXED)
    made.answer(PLAIN)
    made.store(SUMMARY)
    made.say(SUMMARY, status=202, answer={"stored": len(SUMMARY.records), "refused": 0, "unknown": 0})
    made.say(KEYED, status=504, answer={"type": "/docs#outcome-unknown"})
    made.store(KEYED)
    made.answer(KEYED)
    made.say(MALFORMED, status=400, answer={"type": "/docs#malformed"})
    return made


def place_of(history: History, request: Request, index: int = 0) -> Place:
    """Where a record of a request is."""
    return next(place for place, message in history.found.items() if message.value == request.records[index])


def test_a_true_history_has_no_fault(history: History) -> None:
    assert history.faults() == set()


def test_what_was_answered_as_stored_and_is_nowhere_is_lost(history: History) -> None:
    del history.found[place_of(history, PLAIN)]
    assert history.faults() == {"lost"}


def test_what_a_summary_counts_as_stored_and_is_nowhere_is_lost(history: History) -> None:
    del history.found[place_of(history, SUMMARY)]
    assert history.faults() == {"lost"}


def test_a_refused_record_without_its_dead_letter_is_lost(history: History) -> None:
    del history.found[place_of(history, MIXED, min(MIXED.broken))]
    assert history.faults() == {"lost"}


def test_what_is_elsewhere_than_answered_is_misplaced(history: History) -> None:
    history.found["topic", 1, 999] = history.found.pop(place_of(history, PLAIN))
    assert history.faults() == {"misplaced"}


def test_a_refused_record_in_the_topic_is_misplaced(history: History) -> None:
    history.found["topic", 1, 999] = history.found[place_of(history, MIXED, min(MIXED.broken))]
    assert "misplaced" in history.faults()


def test_what_was_answered_once_and_is_there_twice_is_doubled(history: History) -> None:
    history.found["topic", 1, 999] = history.found[place_of(history, PLAIN)]
    assert history.faults() == {"doubled"}


def test_what_is_there_more_often_than_its_unknown_outcomes_allow_is_doubled(history: History) -> None:
    index = next(index for index in range(len(KEYED.records)) if index not in KEYED.broken)
    history.found["topic", 1, 999] = history.found[place_of(history, KEYED, index)]
    assert history.faults() == {"doubled"}


@pytest.mark.parametrize("status", [503, 429])
def test_what_was_not_accepted_and_is_there_is_a_fault(history: History, status: int) -> None:
    history.lines = [line for line in history.lines if line["request"] != PLAIN.number]
    history.say(PLAIN, status=status, answer={"type": "/docs#kafka-away"})
    assert history.faults() == {"unasked"}


def test_what_nobody_sent_is_from_nowhere(history: History) -> None:
    another = request_of(SEED, CLIENT + 1, 0)
    history.store(another)
    assert history.faults() == {"from nowhere"}


@pytest.mark.parametrize("value", [PLAIN.records[0] + b" ", PLAIN.records[0][:-1], b"{}", None])
def test_other_bytes_are_altered(history: History, value: bytes | None) -> None:
    place = place_of(history, PLAIN)
    history.found[place] = replace(history.found[place], value=value)
    assert "altered" in history.faults()


def test_another_idempotency_key_is_altered(history: History) -> None:
    place = place_of(history, KEYED)
    history.found[place] = replace(history.found[place], marks=(b"another", b"0"))
    assert history.faults() == {"altered"}


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.update(status=207),
        lambda line: line["answer"].update(stored=0),
        lambda line: line["answer"]["results"].reverse(),
        lambda line: line["answer"]["results"].pop(),
        lambda line: line.update(status=500),
        lambda line: line.update(status=400),
    ],
)
def test_a_wrong_answer_is_a_fault(history: History, change: Callable[[Line], None]) -> None:
    change(next(line for line in history.lines if line["request"] == PLAIN.number))
    assert "answer" in history.faults()


def unanswered(history: History, **more: Any) -> set[str]:
    """The faults where a request is stored, and its connection ends without an answer."""
    history.lines = [line for line in history.lines if line["request"] != PLAIN.number]
    history.say(PLAIN, broke="ECONNRESET", **more)
    return history.faults()


def test_a_request_without_an_answer_is_a_fault(history: History) -> None:
    assert unanswered(history) == {"unanswered"}


def test_a_sigkill_while_it_was_on_its_way_excuses_it_whether_or_not_it_is_stored(history: History) -> None:
    history.kills = [(10.2, 10.3)]
    assert unanswered(history) == set()


@pytest.mark.parametrize("kill", [(10.6, 10.7), (5.0, 9.0)])
def test_a_sigkill_at_another_time_excuses_nothing(history: History, kill: tuple[float, float]) -> None:
    history.kills = [kill]
    assert unanswered(history) == {"unanswered"}


def test_one_that_was_sent_when_its_connection_had_ended_is_its_client_s_affair(history: History) -> None:
    assert unanswered(history, raced=True) == set()


def test_a_reset_is_a_fault_however_soon_it_comes(history: History) -> None:
    assert unanswered(history, done=10.0005) == {"unanswered"}


def test_a_fin_that_is_there_within_milliseconds_was_under_way_which_is_chance_once_and_a_fault_when_it_is_usual(
    history: History,
) -> None:
    history.lines = [line for line in history.lines if line["request"] != PLAIN.number]
    crossed = history.say(PLAIN, broke="ended", done=10.0005)
    assert history.faults() == set()
    history.lines.append(crossed)
    assert history.faults() == {"unanswered"}
