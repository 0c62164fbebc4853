"""Posting records to an edge that takes, refuses, loses and delays them: each is counted as what it is."""

import json
from dataclasses import dataclass, field
from email.utils import formatdate

import pytest
from support.scripted_edge import HELD, LOST, RESET, Asked, Said, ScriptedEdge, Step, answer, document, problem, results

from streamlake.engine.errors import EdgeError
from streamlake.engine.operations import post_tally
from streamlake.engine.operations.post import PostOptions, Times, post
from streamlake.engine.operations.post_tally import Posted, RefusedRecord, Tally

WALL = 1_800_000_000.0
KEY = "key-of-the-tests-only"
LINES = [b'{"id": %d}' % number for number in range(4)]


@dataclass
class FakeTime:
    """Time that goes on only where somebody waits."""

    now: float = 100.0
    waits: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    @property
    def times(self) -> Times:
        return Times(lambda: self.now, lambda: WALL + self.now - 100, self.wait, lambda: 0.5)


@pytest.fixture
def time() -> FakeTime:
    """Nobody waits in these tests."""
    return FakeTime()


def posted_to(
    edge: ScriptedEdge, time: FakeTime, options: PostOptions | None = None, tally: Tally | None = None
) -> Posted:
    """What became of LINES; the sum is looked at each time."""
    found = post([LINES], edge.url, key=KEY, options=options, tally=tally, times=time.times)
    assert found.sent == found.stored + found.refused + found.unknown + found.failed
    return found


def counts(found: Posted) -> tuple[int, int, int, int]:
    return found.stored, found.refused, found.unknown, found.failed


# What is asked


def test_a_batch_is_one_request_and_each_has_its_own_idempotency_key(time: FakeTime) -> None:
    told: list[int] = []
    with ScriptedEdge() as edge:
        portions = [LINES[:3], [b"", b" \t"], LINES[3:]]
        found = post(portions, edge.url, options=PostOptions(2), progress=told.append, times=time.times)
    assert edge.lines == [LINES[:2], LINES[2:]]
    assert len(set(edge.keys)) == 2
    assert (found.sent, found.stored, found.all_stored, told) == (4, 4, True, [2, 4])
    assert edge.connections == 1, "the connection is kept"
    head = edge.asked[0].head
    assert head.first_line == "POST /ingest/orders HTTP/1.1"
    assert (head.header("content-type"), head.header("accept")) == ("application/x-ndjson", "application/json")
    assert (head.header("authorization"), head.header("content-encoding")) == ("", "")


def test_a_batch_has_a_limit_in_bytes_and_a_larger_record_goes_alone(time: FakeTime) -> None:
    with ScriptedEdge() as edge:
        post([[b"1" * 60, b"2" * 30, b"3" * 300, b"4"]], edge.url, options=PostOptions(batch_bytes_max=100))
    assert edge.lines == [[b"1" * 60, b"2" * 30], [b"3" * 300], [b"4"]]


def test_gzip_compresses_and_the_key_goes_as_bearer(time: FakeTime) -> None:
    with ScriptedEdge() as edge:
        assert posted_to(edge, time, PostOptions(gzip=True)).all_stored
    assert edge.asked[0].head.header("content-encoding") == "gzip"
    assert edge.asked[0].head.header("authorization") == f"Bearer {KEY}"
    assert edge.lines == [LINES]


# Answers with results


def test_each_record_is_counted_as_what_the_edge_says(time: FakeTime) -> None:
    with ScriptedEdge(results(["stored", "refused", "unknown", "refused"])) as edge:
        found = posted_to(edge, time, tally=Tally(refused_kept_max=1))
    assert counts(found) == (1, 2, 1, 0)
    assert found.reasons == {"refused": {"schema": 2}, "unknown": {"the edge does not know whether Kafka has them": 1}}
    assert found.refused_records == (RefusedRecord(1, "schema", "/amount", "must be a number"),)
    assert len(edge.asked) == 1, "nothing unknown is sent again unasked"


def test_a_batch_that_is_refused_as_a_whole_is_counted_and_the_next_one_goes(time: FakeTime) -> None:
    with ScriptedEdge(results(["refused"] * 2)) as edge:
        assert counts(posted_to(edge, time, PostOptions(2))) == (2, 2, 0, 0)


def test_the_index_of_a_refused_record_is_its_line_in_the_file(time: FakeTime) -> None:
    tally = Tally(refused_kept_max=9)
    with ScriptedEdge(results(["stored", "refused"]), results(["refused"])) as edge:
        portions = [[LINES[0], b"", LINES[1]], [b"", LINES[2]]]
        post(portions, edge.url, options=PostOptions(2), tally=tally, times=time.times)
    assert [record.index for record in tally.refused_records] == [2, 4]


def _changed(**changes: object) -> Said:
    return answer(202, {**document(["stored"] * 4), **changes})


@pytest.mark.parametrize(
    "said",
    [
        answer(202, b"<html>"),
        answer(202, b""),
        answer(202, b'{"stored": 4'),
        answer(422, json.dumps(document(["refused"] * 4)).encode().replace(b"schema", b"\xff")),
        answer(202, b'{"more": ' + b"[" * 100_000),
        answer(202, {"stored": 4}),
        results(["stored"] * 3),
        results(["stored"] * 5),
        _changed(stored=3),
        _changed(results=[{"index": 0, "status": "stored"}] * 4),
        _changed(results=[{"index": index, "status": "kept"} for index in range(4)]),
        answer(200, document(["stored"] * 4)),
        answer(204, b""),
    ],
)
def test_an_answer_that_does_not_say_it_of_each_record_says_nothing(said: Said, time: FakeTime) -> None:
    with ScriptedEdge(said) as edge:
        assert counts(posted_to(edge, time)) == (0, 0, 4, 0)


def test_results_may_come_in_any_order(time: FakeTime) -> None:
    listed = document(["stored", "refused", "stored", "stored"])
    listed["results"].reverse()
    tally = Tally(refused_kept_max=1)
    with ScriptedEdge(answer(207, listed)) as edge:
        assert counts(posted_to(edge, time, tally=tally)) == (3, 1, 0, 0)
    assert tally.refused_records[0].index == 1


def test_what_the_edge_says_is_printable_and_short(time: FakeTime) -> None:
    listed = document(["refused"] * 4)
    listed["results"][0] |= {"reason": "a\x1b[31m", "field": "/b\n", "message": "c" * 1000}
    tally = Tally(refused_kept_max=1)
    with ScriptedEdge(answer(422, listed)) as edge:
        posted_to(edge, time, tally=tally)
    assert tally.refused_records == [RefusedRecord(0, "a [31m", "/b ", "c" * 300 + "…")]


def test_reasons_have_an_end(time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post_tally, "REASONS_MAX", 2)
    listed = document(["refused"] * 4)
    for number, one in enumerate(listed["results"]):
        one["reason"] = f"r{number}"
    with ScriptedEdge(answer(422, listed)) as edge:
        assert posted_to(edge, time).reasons["refused"] == {"r0": 1, "r1": 1, "(other reasons)": 2}


# Not taken: it is waited, and sent again


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        (problem(503, Retry_After="7"), 7.0),
        (problem(429, Retry_After=formatdate(WALL + 9, usegmt=True)), 9.0),
        (problem(503, Retry_After=formatdate(WALL - 9, usegmt=True)), 0.1),
        (problem(503, Retry_After="0"), 0.1),
        (problem(503), 0.1875),
        (problem(503, Retry_After="soon"), 0.1875),
        (problem(503, Retry_After="9" * 400), 60.0),
        (answer(429, b"slow down", Retry_After="3"), 3.0),
        (problem(408), 0.1875),
    ],
)
def test_it_is_waited_as_the_edge_asks_and_the_same_is_sent_again(said: Said, wait: float, time: FakeTime) -> None:
    with ScriptedEdge(said) as edge:
        found = posted_to(edge, time)
    assert time.waits == [pytest.approx(wait)]
    assert (counts(found), found.retried, found.repeated) == ((4, 0, 0, 0), 1, 0)
    assert edge.lines == [LINES, LINES]
    assert len(set(edge.keys)) == 1


def test_waits_without_a_word_of_the_edge_double_up_to_a_limit(time: FakeTime) -> None:
    with ScriptedEdge(*[problem(503)] * 8) as edge:
        posted_to(edge, time)
    assert time.waits == [pytest.approx(0.75 * wait) for wait in (0.25, 0.5, 1, 2, 4, 8, 10, 10)]


def test_a_batch_whose_time_is_over_has_failed_and_the_next_one_is_tried(time: FakeTime) -> None:
    full = problem(503, "Too much is waiting for Kafka", Retry_After="40")
    with ScriptedEdge(full, full, full) as edge:
        found = posted_to(edge, time, PostOptions(2))
    assert time.waits == [40, 20]
    assert (counts(found), found.seconds) == ((2, 0, 0, 2), 60)
    assert found.reasons == {"failed": {"503 Too much is waiting for Kafka": 2}}


def test_a_connection_that_can_not_be_made_is_tried_until_the_time_is_over(time: FakeTime) -> None:
    with ScriptedEdge() as edge:
        pass
    found = posted_to(edge, time)
    assert (counts(found), found.retried) == ((0, 0, 0, 4), len(time.waits))
    assert sum(time.waits) == pytest.approx(60)
    assert found.reasons == {"failed": {"no connection: Connection refused": 4}}


def test_a_connection_that_can_be_made_later_is_made(time: FakeTime) -> None:
    with ScriptedEdge() as edge:
        edge.stop()

        def wait(seconds: float) -> None:
            edge.start()

        times = Times(lambda: 0.0, lambda: WALL, wait, lambda: 0.5)
        assert post([LINES], edge.url, times=times).all_stored


def test_a_request_that_did_not_leave_as_a_whole_is_sent_again(time: FakeTime) -> None:
    large = [b'"%s"' % (b"x" * 30_000_000)]  # more than the sockets of both sides hold
    with ScriptedEdge(Said(then="reset", read=False)) as edge:
        found = post([large], edge.url, times=time.times)
    assert (counts(found), found.retried, found.repeated) == ((1, 0, 0, 0), 1, 0)


def test_a_request_that_never_leaves_as_a_whole_has_failed(time: FakeTime) -> None:
    large = [b'"%s"' % (b"x" * 30_000_000)]
    with ScriptedEdge(Said(then="reset", read=False)) as edge:
        found = post([large], edge.url, options=PostOptions(retry_seconds_max=0), times=time.times)
    assert found.reasons == {"failed": {"the connection broke before the request was sent as a whole": 1}}


def test_an_edge_that_does_not_answer_the_first_word_of_tls_has_stored_nothing(time: FakeTime) -> None:
    options = PostOptions(retry_seconds_max=0, connect_seconds=0.1)
    with ScriptedEdge() as edge:
        found = post([LINES], edge.url.replace("http:", "https:"), options=options, times=time.times)
    assert counts(found) == (0, 0, 0, 4)


# Unknown: perhaps it was stored


def _torn() -> Said:
    whole = results(["stored"] * 4).content
    return Said(whole[:-20], then="closed")


UNKNOWN: list[tuple[Step, str]] = [
    (LOST, "the connection broke before the answer had come"),
    (RESET, "the connection broke before the answer had come"),
    (_torn(), "the connection broke before the answer had come"),
    (Said(b"HTTP/1.1 20", then="closed"), "the connection broke before the answer had come"),
    (HELD, "no answer within 1 s"),
    (problem(504, "It is not known"), "504 It is not known"),
    (problem(500, "The edge failed"), "500 The edge failed"),
    (answer(502, b"<html>", kind="text/html"), "502 that is no answer of the edge"),
    (answer(503, b"upstream reset", kind="text/plain"), "503 that is no answer of the edge"),
    (answer(202, b"{}"), "202 with an answer that can't be read"),
]


@pytest.mark.parametrize(("said", "why"), UNKNOWN)
def test_what_may_have_been_stored_is_unknown_and_not_sent_again(said: Step, why: str, time: FakeTime) -> None:
    with ScriptedEdge(said) as edge:
        found = posted_to(edge, time, PostOptions(read_seconds=1))
    assert (counts(found), found.reasons) == ((0, 0, 4, 0), {"unknown": {why: 4}})
    assert (len(edge.asked), time.waits) == (1, [])


@pytest.mark.parametrize("said", [said for said, _ in UNKNOWN])
def test_where_it_is_wanted_it_is_sent_again_under_the_same_key_and_told(said: Step, time: FakeTime) -> None:
    with ScriptedEdge(said, problem(503, Retry_After="1")) as edge:
        found = posted_to(edge, time, PostOptions(read_seconds=1, retry_unknown=True))
    assert (counts(found), found.repeated, found.retried) == ((4, 0, 0, 0), 4, 2)
    assert edge.lines == [LINES] * 3
    assert len(set(edge.keys)) == 1


def test_only_the_unknown_records_are_sent_again_and_no_two_share_key_and_place(time: FakeTime) -> None:
    script = [results(["stored", "unknown", "refused", "unknown"]), LOST, results(["unknown", "stored"])]
    with ScriptedEdge(*script) as edge:
        found = posted_to(edge, time, PostOptions(retry_unknown=True))
    assert (counts(found), found.repeated) == ((3, 1, 0, 0), 2)
    assert edge.lines == [LINES, [LINES[1], LINES[3]], [LINES[1], LINES[3]], [LINES[1]]]
    assert edge.keys[1] == edge.keys[2]
    marks = {(asked.key, place): line for asked in edge.asked for place, line in enumerate(asked.lines)}
    for asked in edge.asked:
        assert [marks[asked.key, place] for place in range(len(asked.lines))] == asked.lines
    assert all(key.startswith(edge.keys[0]) for key in edge.keys)


@pytest.mark.parametrize("later", [problem(503), problem(401)])
def test_what_was_uncertain_once_is_not_made_certain_by_a_later_failure(later: Said, time: FakeTime) -> None:
    tally = Tally()
    with ScriptedEdge(LOST, *[later] * 30) as edge:
        try:
            posted_to(edge, time, PostOptions(retry_unknown=True), tally)
        except EdgeError:
            assert later == problem(401)
    assert counts(tally.posted()) == (0, 0, 4, 0)


def test_what_stays_unknown_until_the_time_is_over_is_unknown(time: FakeTime) -> None:
    with ScriptedEdge(*[problem(504)] * 99) as edge:
        found = posted_to(edge, time, PostOptions(retry_unknown=True))
    assert (counts(found), found.repeated) == ((0, 0, 4, 0), 4)
    assert sum(time.waits) == pytest.approx(60)


# Requests that are not taken: stop


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 411, 413, 415, 431])
def test_a_request_that_will_never_be_taken_ends_it_with_what_the_edge_says(status: int, time: FakeTime) -> None:
    tally = Tally()
    script = [results(["stored"]), problem(status, "It\x1b can't be", "for this reason")]
    with ScriptedEdge(*script) as edge, pytest.raises(EdgeError) as raised:
        posted_to(edge, time, PostOptions(1), tally)
    said = str(raised.value)
    assert said.startswith(f"{edge.url} takes nothing from line 2 on: {status} It  can't be: for this reason")
    assert ("STREAMLAKE_API_KEY" in said) == (status == 401)
    assert (len(edge.asked), counts(tally.posted())) == (2, (1, 0, 0, 1))
    assert KEY not in said


def test_a_page_of_something_else_ends_it_too(time: FakeTime) -> None:
    with ScriptedEdge(answer(404, b"<html>")) as edge, pytest.raises(EdgeError, match="404 from something that is not"):
        posted_to(edge, time)


def test_no_redirect_is_followed(time: FakeTime) -> None:
    with ScriptedEdge() as other, ScriptedEdge(answer(307, b"", Location=other.url)) as edge:
        with pytest.raises(EdgeError, match=f"307, which leads to {other.url}"):
            posted_to(edge, time)
        assert other.asked == []


def test_https_where_there_is_none_ends_it(time: FakeTime) -> None:
    with ScriptedEdge(greeting=b"not TLS") as edge, pytest.raises(EdgeError, match="no TLS connection"):
        post([LINES], edge.url.replace("http:", "https:"), times=time.times)


# Too large


def test_a_batch_that_is_too_large_is_halved_and_none_later_is_as_large(time: FakeTime) -> None:
    def at_most_two(asked: Asked) -> Said:
        return problem(413) if len(asked.lines) > 2 else results(["stored"] * len(asked.lines))

    values = [b"%d" % number for number in range(12)]
    with ScriptedEdge(*[at_most_two] * 99) as edge:
        found = post([values], edge.url, options=PostOptions(8), times=time.times)
    assert found.all_stored
    taken = [lines for lines in edge.lines if len(lines) <= 2]
    assert [value for lines in taken for value in lines] == values, "in the order of the file"
    assert [len(lines) for lines in edge.lines] == [8, 4, 2, 2, 4, 2, 2, 2, 2]
    assert len({asked.key for asked in edge.asked}) == len(edge.asked), "other places, other keys"


# Ctrl-C


@pytest.fixture
def interrupted(time: FakeTime) -> Times:
    """Ctrl-C comes while it is waited."""

    def wait(_: float) -> None:
        raise KeyboardInterrupt

    return Times(time.times.monotonic, time.times.wall, wait, time.times.luck)


@pytest.mark.parametrize(("said", "ends"), [(problem(503), (2, 0, 0, 2)), (problem(504), (2, 0, 2, 0))])
def test_ctrl_c_while_it_waits_leaves_a_true_tally(
    said: Said, ends: tuple[int, int, int, int], interrupted: Times
) -> None:
    tally = Tally()
    with ScriptedEdge(results(["stored"] * 2), said) as edge, pytest.raises(KeyboardInterrupt):
        post([LINES], edge.url, options=PostOptions(2, retry_unknown=True), tally=tally, times=interrupted)
    found = tally.posted()
    assert counts(found) == ends
    assert found.repeated == 0
    assert json.dumps(found.reasons).count("interrupted") == 1
