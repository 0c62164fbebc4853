"""The demo's story of a replay: a file that it loses, and each of its sentences is false where its thing is not so."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.demo import loses_a_file
from support.shared import SharedKafka

from streamlake.engine.local.demo.counts import Generated, Ledger
from streamlake.engine.local.demo.replay_account import Replayed, account, forgotten_of
from streamlake.engine.local.demo.screen import Screen
from streamlake.engine.local.demo.settings import Settings
from streamlake.engine.local.demo.tell import tell


def test_a_file_that_is_lost_in_the_promotion_is_seen_by_the_reader_and_by_the_proof(
    clone: Path, kafka: SharedKafka
) -> None:
    settings = Settings(
        records=4000,
        keep=False,
        servers=kafka.bootstrap_servers,
        folder=clone / ".demo",
        streamlake=loses_a_file(
            clone, "replay", "promote", raw=str(clone / ".demo/lake/replay/raw"), sink="file", options={}
        ),
        stories=("replay",),
    )
    out = io.StringIO()
    assert not tell(settings, Screen(out))
    wrong = [line for line in out.getvalue().splitlines() if line.startswith("  WRONG")]
    assert len(wrong) == 2, out.getvalue()
    assert "rows for readers after it" in wrong[0]
    assert "streamlake prove" in wrong[1]


def test_good_orders_of_a_currency_are_counted_and_broken_ones_are_not() -> None:
    assert forgotten_of(20_000, 0.0, 0.0, "CHF") == 3245
    assert forgotten_of(20_000, 0.004, 0.0002, "CHF") == 3232
    assert forgotten_of(20_000, 1.0, 0.0, "CHF") == 0


MADE = Generated.of(10_000, 0.004, 0.0002)
BEFORE = {"landed": 8000, "refused": 1998, "skipped": 2}
DONE = {"landed": 9958, "refused": 40, "finished": True}
COMPARED: dict[str, Any] = {
    "values": {"same": 8000, "differ": 0},
    "outcomes": [
        {"here": {"fate": "landed"}, "there": {"fate": "landed"}, "offsets": 8000},
        {"here": {"fate": "landed"}, "there": {"fate": "refused"}, "offsets": 1958},
        {"here": {"fate": "refused"}, "there": {"fate": "refused"}, "offsets": 40},
    ],
}
SEEN = Replayed(
    forgotten=1958,
    live=Ledger(8000, 1998, 2),
    planned={"before": BEFORE, "offsets": 10_000},
    killed={"accounted": 300, "offsets": 10_000},
    outcome=DONE,
    compared=COMPARED,
    rows_before=[(0, 5000, 5000, 0, 5010), (1, 3000, 3000, 0, 4990)],
    rows_after=[(0, 5008, 5008, 0, 5010), (1, 4950, 4950, 0, 4990)],
    letters=40,
    superseded=20,
    proven=True,
)


def test_counts_that_agree_are_told_as_such() -> None:
    assert all(holds for _, holds in account(MADE, SEEN))


TWICE = [(0, 5008, 5007, 0, 5010), (1, 4950, 4950, 0, 4990)]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"forgotten": 1957}, "refused at first"),
        ({"live": Ledger(7999, 1998, 2)}, "refused at first"),
        ({"planned": {"before": {**BEFORE, "refused": 1997}, "offsets": 10_000}}, "the plan said so"),
        ({"planned": {"before": {**BEFORE, "skipped": 3}, "offsets": 10_000}}, "the plan said so"),
        ({"killed": {"accounted": 0, "offsets": 10_000}}, "was killed at"),
        ({"killed": {"accounted": 10_000, "offsets": 10_000}}, "was killed at"),
        ({"outcome": {**DONE, "finished": False}}, "was killed at"),
        ({"outcome": {**DONE, "landed": 9957}}, "landed in the replay"),
        ({"outcome": {**DONE, "refused": 41}}, "landed in the replay"),
        ({"compared": {**COMPARED, "outcomes": COMPARED["outcomes"][:1]}}, "compared"),
        ({"compared": {**COMPARED, "values": {"same": 7999, "differ": 0}}}, "compared"),
        ({"compared": {**COMPARED, "values": {"same": 8000, "differ": 1}}}, "compared"),
        ({"rows_before": SEEN.rows_after}, "before the promotion"),
        ({"rows_before": [(0, 8000, 7999, 0, 9000)]}, "before the promotion"),
        ({"rows_after": SEEN.rows_before}, "rows for readers after it"),
        ({"rows_after": TWICE}, "rows for readers after it"),
        ({"letters": 1998}, "dead letters are left"),
        ({"superseded": 0}, "kept in superseded"),
        ({"proven": False}, "prove"),
    ],
)
def test_a_count_that_is_off_is_told_where(changes: dict[str, Any], sentence: str) -> None:
    found = list(account(MADE, replace(SEEN, **changes)))
    assert [True for told_, holds in found if sentence in told_ and not holds] == [True]
