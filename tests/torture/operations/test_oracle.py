"""What the judge of tortured operations and the reader must see, each on a root that was made wrong by hand."""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from torture.operations.lake import edges, named, overlaps, seen_at_once
from torture.operations.oracle import faults_of, judge_redriven
from torture.operations.watching import Reader
from torture.oracle import Place, record

TOPIC = "tortured"
VALUES: Mapping[Place, bytes | None] = {
    (0, offset): None if offset == 7 else b"{" if offset == 3 else record("p", offset, b"x") for offset in range(20)
}


class Root:
    """A root by hand: `live-1` has landed [0, 20), a replay of [5, 10) stands, one of [10, 15) was promoted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run("live-1")
        self.run("r1", output="replays/r1", starts={"0": 5}, ends={"0": 10})
        self.run("r2", output="replays/r2", starts={"0": 10}, ends={"0": 15})
        self.run("live-2", adopts="r2")
        self.land("live-1", 0, 10)
        self.land("live-1", 10, 15, below="superseded/live-1")
        self.land("r2", 10, 15)
        self.land("live-1", 15, 20)
        self.land("r1", 5, 10, below="replays/r1")
        self.tombstone("live-1", 7)
        self.tombstone("r1", 7)

    def run(self, name: str, **more: Any) -> None:
        """Write a run file."""
        ranges = {what: {TOPIC: more[what]} for what in ("starts", "ends") if what in more}
        self.write(f"_runs/{name}.json", json.dumps({"run": name, "starts": {}, **more, **ranges}))

    def land(self, run: str, first: int, following: int, *, below: str = "") -> Path:
        """A file of rows, and one of dead letters where there are some."""
        lines: dict[str, list[str]] = {"raw": [], "dead": []}
        for offset in range(first, following):
            value = VALUES[0, offset]
            if value == b"{":
                lines["dead"].append(json.dumps({"_partition": 0, "_offset": offset, "value": "{"}))
            elif value is not None:
                lines["raw"].append(f'{{"_partition":0,"_offset":{offset},"value":{value.decode()}}}')
        for kind, found in lines.items():
            if found:
                self.write(self.name(kind, run, first, following, below), "\n".join([*found, ""]))
        return self.folder / self.name("raw", run, first, following, below)

    def name(self, kind: str, run: str, first: int, following: int, below: str = "") -> str:
        """Where that file lies."""
        path = Path(below, kind, TOPIC, f"{TOPIC}-00000-{first:020d}-{following:020d}.{run}.jsonl")
        return str(path)

    def tombstone(self, run: str, offset: int) -> None:
        """A ledger entry that skips one offset."""
        self.entry(run, offset, kind="data", skipped_offsets=[[offset, offset + 1]])

    def entry(self, run: str, seq: int, **more: Any) -> None:
        """Write a ledger entry."""
        entry = {"run": run, "partition": 0, "skipped_offsets": [], **more}
        self.write(f"_ledger/{run}/{TOPIC}/00000/00000000/{seq:012d}.json", json.dumps(entry))

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def faults(self) -> list[str]:
        """What the judge finds."""
        return list(faults_of(self.folder, TOPIC, VALUES, {}))


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


def test_a_root_as_it_should_be_has_no_faults(root: Root) -> None:
    assert root.faults() == []
    reader = Reader(root.folder, TOPIC)
    reader.look()
    assert reader.faults == []


def test_what_was_superseded_and_still_lies_where_readers_look_is_doubled(root: Root) -> None:
    root.land("live-1", 10, 15)
    assert any(fault.startswith("doubled: (0, 10) is there 2 times") for fault in root.faults())
    reader = Reader(root.folder, TOPIC)
    reader.look()
    assert reader.faults[0].startswith("doubled: at one moment both")


def test_a_promoted_replay_whose_files_have_not_come_is_lost(root: Root) -> None:
    (root.folder / root.name("raw", "r2", 10, 15)).unlink()
    assert [fault for fault in root.faults() if fault.startswith("lost: (0, 10)")]


@pytest.mark.parametrize(("path", "said"), [("replays/r1", "r1: lost: (0, 5)"), ("", "lost: (0, 5)")])
def test_a_lost_file_is_lost_to_readers_and_to_a_replay(root: Root, path: str, said: str) -> None:
    name = root.name("raw", "r1" if path else "live-1", 5 if path else 0, 10, path)
    (root.folder / name).unlink()
    assert any(fault.startswith(said) for fault in root.faults())


def test_what_an_operator_gave_up_is_not_lost_and_all_else_is(root: Root) -> None:
    (root.folder / root.name("raw", "live-1", 15, 20)).unlink()
    root.entry("live-2", 0, kind="gap", first=15, next=20, reason="torture 0.5")
    assert root.faults() == []
    root.entry("live-2", 0, kind="gap", first=15, next=19, reason="torture 0.5")
    assert root.faults() == ["lost: (0, 19), which Kafka delivers, is nowhere"]


def test_a_gap_that_no_operator_wanted_is_a_fault(root: Root) -> None:
    root.entry("live-2", 0, kind="gap", first=20, next=21, reason="the broker has nothing there")
    assert root.faults() == ["gap: live-2 gave up [20, 21), and no operator said so"]


def test_a_letter_that_was_sent_back_twice_is_doubled_unless_it_says_that_it_may_be(root: Root) -> None:
    letters = [(("t", 0, 1), False), (("t", 0, 1), True), (("t", 0, 2), False)]
    assert list(judge_redriven(letters)) == []
    assert list(judge_redriven([*letters, (("t", 0, 2), False)])) == [
        "doubled: the letter ('t', 0, 2) was sent back 2 times, and not marked"
    ]


def test_a_row_of_a_replay_that_is_there_twice_is_doubled(root: Root) -> None:
    root.land("r1", 8, 10, below="replays/r1")
    assert any(fault.startswith("r1: doubled: (0, 8)") for fault in root.faults())


def test_a_row_beside_the_range_of_a_replay_is_from_nowhere(root: Root) -> None:
    root.land("r1", 10, 11, below="replays/r1")
    assert any(fault.startswith("r1: from nowhere: (0, 10)") for fault in root.faults())


def test_a_tombstone_that_a_replay_of_kafka_has_not_skipped_is_lost_and_one_of_files_never_had_it(root: Root) -> None:
    (root.folder / f"_ledger/r1/{TOPIC}/00000/00000000/000000000007.json").unlink()
    assert root.faults() == ["r1: lost: (0, 7), which Kafka delivers, is nowhere"]
    root.run("r1", output="replays/r1", starts={"0": 5}, ends={"0": 10}, reads="lake")
    assert root.faults() == []


def test_what_was_superseded_keeps_its_bytes(root: Root) -> None:
    file = root.folder / root.name("raw", "live-1", 10, 15, "superseded/live-1")
    file.write_text(file.read_text().replace('"filling":"x"', '"filling":"y"', 1))
    assert [fault for fault in root.faults() if fault.startswith("superseded live-1: altered: (0, 10)")]


def test_what_was_superseded_is_there_once(root: Root) -> None:
    root.land("live-1", 12, 15, below="superseded/live-1")
    assert [fault for fault in root.faults() if fault.startswith("superseded live-1: doubled: (0, 12)")]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda root: root.write("_runs/r1.deleted", "{}"),
            "left behind: r1 was deleted, and 1 files lie",
        ),
        (lambda root: root.land("r2", 10, 15, below="replays/r2"), "left behind: 1 files lie below replays/r2"),
    ],
)
def test_nothing_is_left_behind(root: Root, spoil: Callable[[Root], object], said: str) -> None:
    spoil(root)
    assert any(fault.startswith(said) for fault in root.faults())


def test_a_file_that_changes_or_does_not_fit_its_name_is_seen(root: Root) -> None:
    reader = Reader(root.folder, TOPIC)
    file = root.land("live-2", 20, 20)
    root.write(str(file.relative_to(root.folder)), root.folder.joinpath(root.name("raw", "live-1", 15, 20)).read_text())
    reader.look()
    assert [fault for fault in reader.faults if fault.startswith("misplaced: ")]
    random.seed(1)
    file.write_text("")
    for _ in range(500):  # known ones are read again by chance
        reader.look()
    assert [fault for fault in reader.faults if fault.startswith("changed: ")]


def test_what_is_moved_while_somebody_lists_is_not_there_twice(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superseded file is listed, leaves, and the replay's comes and is listed: never were both there."""
    old, new = root.land("live-1", 10, 15), root.folder / root.name("raw", "r2", 10, 15)
    new.rename(root.folder / "aside")
    folders = [root.folder / "raw", root.folder / "dead"]
    exists = Path.exists

    def moving(path: Path) -> bool:
        if old.is_file():
            old.unlink()
            (root.folder / "aside").rename(new)
        return exists(path)

    monkeypatch.setattr(Path, "exists", moving)
    there = seen_at_once(folders)
    assert old not in there
    assert not list(overlaps(named(there)))


def test_operators_choose_between_edges_of_files(root: Root) -> None:
    assert edges(root.folder, TOPIC, 0) == [0, 10, 15, 20]
    assert edges(root.folder, TOPIC, 1) == []


def test_a_foreign_file_is_no_landed_one() -> None:
    with pytest.raises(ValueError, match="lies where readers look"):
        list(named([Path("raw/tortured/a.parquet")]))
