"""The table of partitions: what it says of each state, who comes first, and that it fits the screen."""

from dataclasses import replace

import pytest
from rich.console import Console
from support.shown import (
    NOW,
    ago,
    at_night,
    engine,
    idle,
    parked,
    reading,
    restarting,
    waiting_for_broker,
    waiting_for_storage,
)

from streamlake.engine.cli.board import Room, board
from streamlake.engine.cli.board_words import SORTS, brief, compact, percent, sorted_by, sparkline, words
from streamlake.engine.records import TopicPartition
from streamlake.engine.state import EngineState, PartitionState, Phase

RECOVERING = replace(reading(9), phase="recovering")
FENCED = replace(reading(9), phase="fenced", why="another worker has claimed it", last_exit="fenced")
NO_PLACE = replace(reading(9), phase="waiting", why="workers.max is 4: this host runs no more")


def drawn(state: EngineState, columns: int = 80, lines: int | None = None, **more: object) -> list[str]:
    console = Console(width=columns, height=lines, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(board(state, Room(columns, lines), "orders.yaml", **more))  # type: ignore[arg-type]
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (reading(0, lag=5), "reading"),
        (idle(0), "idle"),
        (parked(0), "parked: 501 refused in a row, most often '/amount breaks"),
        (waiting_for_storage(0), "waiting for storage since 03:11:09Z (1m 35s)"),
        (restarting(0), "restarting in 2 s after exit killed"),
        (RECOVERING, "recovering"),
        (FENCED, "fenced: another worker has claimed it"),
        (waiting_for_broker(0), "waiting for the broker since 03:12:02Z (42s)"),
        (replace(waiting_for_broker(0), phase="parked", why="SL0601: x"), "parked: x (SL0601)"),
        (replace(reading(0, lag=250), held=250, closes_at=ago(-48)), "250 held, file closes in 48 s"),
        (NO_PLACE, "waiting: workers.max is 4: this host runs no more"),
        (PartitionState(TopicPartition("orders", 0), phase="stopped"), "stopped"),
    ],
    ids=lambda one: one if isinstance(one, str) else one.phase,
)
def test_each_state_is_said_in_words(state: PartitionState, said: str) -> None:
    assert words(state, NOW).startswith(said)


def test_the_worst_come_first_and_among_equals_the_largest_lag() -> None:
    order = [
        parked(1),
        FENCED,
        restarting(2),
        waiting_for_storage(3),
        RECOVERING,
        reading(4, lag=90),
        reading(5, lag=9),
    ]
    assert sorted_by([idle(0), *reversed(order)], "worst") == [*order, idle(0)]


@pytest.mark.parametrize(
    ("sort", "first"),
    [("lag", 3), ("behind", 3), ("rate", 7), ("refused", 4), ("memory", 7), ("partition", 0), ("worst", 3)],
)
def test_each_order_has_its_first(sort: str, first: int) -> None:
    state = at_night()
    next(one for one in state.partitions if one.source.partition == 4).refused_share = 0.9
    assert sorted_by(state.partitions, sort)[0].source.partition == first
    assert sort in SORTS


def test_in_a_pipe_a_sentence_is_whole_however_long_it_is() -> None:
    console = Console(width=240, color_system=None)
    with console.capture() as captured:
        console.print(board(at_night(), Room(240, wrap=False), "orders.yaml"), soft_wrap=True)
    (line,) = (line for line in captured.get().splitlines() if line.startswith("orders/3 is parked"))
    assert len(line) > 240
    assert "--limit 20` shows such records" in line


@pytest.mark.parametrize("topic", ["orders", "a.very.long.topic.name.of.some.team"])
@pytest.mark.parametrize("columns", [60, 80, 100, 140, 220])
def test_it_is_never_wider_than_the_screen_and_shows_the_needful(topic: str, columns: int) -> None:
    state = at_night()
    for one in state.partitions:
        one.source, one.next, one.end = TopicPartition(topic, one.source.partition), 10**12, 10**12 + 7_654_321
    lines = drawn(state, columns)
    assert max(map(len, lines)) <= columns
    titles, row = lines[2].split(), lines[3]
    assert {"partition", "state", "lag", "behind", "rec/s", "refused"} <= set(titles)
    assert {"next", "end", "kept", "landed"} <= set(titles) or columns < 220
    assert {"lately", "mem", "commit"} <= set(titles) or columns < 100 or topic != "orders"
    assert "commit" in titles or columns < 80 or topic != "orders"
    assert row.split()[0].endswith("/3")
    assert "parked" in row


def test_all_of_it_at_80_columns() -> None:
    lines = drawn(at_night(5))
    assert lines[:2] == [
        "orders live-1: 1 parked, 1 restarting, 1 waiting for storage, 2 reading, 1 idle",
        "lag 2.1M (3m) · 11k records/s · 1.3MB/s · 423MB of memory",
    ]
    assert lines[3].startswith("orders/3   parked: 501 refused in a row…  "), "what one wants to read, and no code"
    text = "\n".join(lines)
    assert "orders/3 is parked since 03:09:24Z (3m 20s): SL0601: 501 refused in a row, most" in text
    assert "→ the command above shows such records;" in text
    assert "orders/1 is waiting for storage since 03:11:09Z (1m 35s): 503; waits so far: 503" in text
    assert "→ `streamlake validate orders.yaml` tries the storage" in text
    full = replace(
        waiting_for_storage(1), storage_why="disk full: /lake: 7 bytes are free", storage_waits={"disk full": 6}
    )
    assert "(1m 35s): disk full: /lake: 7 bytes are free; waits so far: disk full 6" in "\n".join(
        drawn(engine([full]), 160)
    )
    assert "refuses 0.3% lately, most often as invalid: /amount breaks" in text
    assert "(orders/2/449972700)" in text, "a place to look at"


@pytest.mark.parametrize("lines_max", [12, 24, 50])
def test_many_partitions_fit_the_screen_and_the_rest_is_summed_up(lines_max: int) -> None:
    lines = drawn(at_night(128), 100, lines_max)
    assert len(lines) <= lines_max
    (rest,) = [line for line in lines if " more: " in line]
    rows = [line.split() for line in lines[3:] if line.startswith("orders/")]
    shown = sum(row[1] not in ("is", "refuses") for row in rows)
    hidden = int(rest.split()[1])
    assert shown + hidden == 128
    assert shown >= 4
    assert lines[3].split()[:2] == ["orders/3", "parked:"]
    assert any("is parked since" in line for line in lines)


def test_scrolled_away_ones_are_not_shown_and_still_counted_in_the_totals() -> None:
    lines = drawn(at_night(8), 100, 40, sort="partition", scrolled=6)
    assert [line.split()[0] for line in lines[3:5]] == ["orders/6", "orders/7"]
    assert "1 parked" in lines[0]


@pytest.mark.parametrize("columns", [24, 30, 42, 50, 60, 69, 70, 80])
def test_each_partition_is_one_row_however_narrow_the_screen_is(columns: int) -> None:
    lines = drawn(at_night(), columns)
    rows = [line.split()[0] for line in lines[3:11]]
    assert rows == [f"orders/{number}" for number in (3, 5, 1, 7, 6, 4, 2, 0)]
    assert max(map(len, lines)) <= columns


def test_what_is_not_known_is_not_counted_as_0() -> None:
    unknown = replace(reading(1), end=None, lag_seconds=None)
    assert drawn(engine([unknown]))[1].startswith("lag ? (?) · ")
    assert drawn(engine([reading(0, lag=1000), unknown]))[1].startswith("lag 1.0k + 1 unknown (4s+) · ")
    assert drawn(engine([replace(reading(0, lag=1000), lag_seconds=None)]))[1].startswith("lag 1.0k (?) · ")
    assert drawn(engine([idle(0), unknown]))[1].startswith("lag 0 + 1 unknown (?) · ")
    assert drawn(engine([idle(0)]))[1].startswith("lag 0 (0s) · ")


@pytest.mark.parametrize("phase", ["parked", "fenced", "backing off", "waiting"])
def test_where_nobody_reads_there_is_no_rate(phase: Phase) -> None:
    lines = drawn(engine([replace(reading(0, lag=5), phase=phase), reading(1)]), 200)
    assert " 5,237 " in lines[4] + lines[3]
    assert not any("5,200" in line for line in lines)
    assert " 5.2k records/s · 681kB/s" not in lines[1]
    assert "· 5.2k records/s ·" in lines[1], "of the one that reads"


def test_a_broker_that_is_away_is_said_once_with_its_cause_and_what_to_do() -> None:
    state = engine([waiting_for_broker(0), waiting_for_broker(1)])
    state.broker_since, state.broker_why = ago(42), "Connection refused"
    lines = drawn(state, 120)
    assert lines[0] == "orders live-1: 2 waiting for the broker"
    assert [line for line in lines if "Connection refused" in line] == [
        "waiting for the broker since 03:12:02Z (42s): Connection refused"
    ]
    assert "  → `streamlake validate orders.yaml` asks the broker" in lines
    state.partitions = [waiting_for_broker(0), reading(1)]
    assert "orders/0 waits for the broker since 03:12:02Z (42s): Connection refused" in drawn(state, 120)
    state.partitions = [reading(0), reading(1)]  # of none that is held here, as before the group gives any
    assert "waiting for the broker since 03:12:02Z (42s): Connection refused" in drawn(state, 120)


def test_a_topic_that_is_gone_is_said_once_with_what_to_do_and_is_no_broker_that_is_away() -> None:
    gone = [replace(reading(number), gone_since=ago(42), end=None, lag_seconds=None) for number in (0, 1)]
    state = engine(gone)
    state.gone = {"orders": ago(42)}
    lines = drawn(state, 160)
    assert lines[0] == "orders live-1: 2 topic gone"
    assert words(gone[0], NOW) == "topic gone since 03:12:02Z (42s)"
    said = lines.index("the cluster has no topic orders any more, since 03:12:02Z (42s)")
    assert lines[said + 1].startswith("  → if that was meant, take it out of kafka.topics; else make it anew")
    assert not any("broker" in line for line in lines)


def test_an_engine_that_waits_for_its_broker_before_it_has_any_partition_says_so() -> None:
    state = engine([])
    state.broker_since = ago(42)
    lines = drawn(state, 120)
    assert lines[0] == "orders live-1: waiting for the broker"
    assert lines[1].startswith("lag ? (?) · "), "of nothing that is known it is not 0"
    assert "waiting for the broker since 03:12:02Z (42s): no answer yet" in lines


def test_no_partitions_yet_is_said() -> None:
    assert drawn(engine([]))[0] == "orders live-1: no partitions yet"


def test_what_kafka_is_about_to_delete_is_said_with_the_limit() -> None:
    state = engine([replace(reading(0, lag=7), retention_seconds_left=1200.0)])
    assert "may delete" not in "\n".join(drawn(state, 200))
    state.retention_seconds_left_min = 1800.0
    said = "orders/0: Kafka may delete what has not landed in 20m 0s (alarms.retention_seconds_left_min is 30m 0s)"
    assert said in drawn(state, 200)


def test_nothing_that_a_terminal_would_obey_comes_out_of_a_message() -> None:
    hostile = replace(parked(0), why="most often '\x1b]0;owned\x07\x9b2J'", phase="parked")
    text = "\n".join(drawn(engine([hostile]), 120))
    assert not {"\x1b", "\x07", "\x9b"} & set(text)
    assert "most often '·]0;owned··2J'" in text


def test_numbers_are_short_and_little_is_not_nothing() -> None:
    assert [compact(number) for number in (0, 999, 1234, 12_345, 999_999, 5e9)] == [
        "0",
        "999",
        "1.2k",
        "12k",
        "1.0M",
        "5.0G",
    ]
    assert [percent(share) for share in (0, 0.00001, 0.003, 0.5, 1)] == ["0%", "<0.1%", "0.3%", "50%", "100%"]
    assert [brief(seconds) for seconds in (0, 59, 61, 7300, 200_000)] == ["0s", "59s", "1m", "2h", "2d"]


def test_a_sparkline_is_of_all_that_is_known_and_the_newest_is_last() -> None:
    assert sparkline([], 4) == "    "
    assert sparkline([0, 0], 4) == "  ▁▁"
    assert sparkline([0, 1, 2, 8], 4) == "▁▂▃█"
    assert sparkline([8, 8, 0, 0, 4, 4], 3) == "█▁▅"
