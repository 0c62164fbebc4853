"""SIGKILL of `dead redrive` at every step: what is known to be sent is there once, what may be twice is marked."""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from support.engine import STREAMLAKE, pipeline_yaml, streamlake
from support.lake import Lake
from support.redrives import lake_on, redelivered
from support.shared import SharedKafka
from support.topics import make_topic
from support.waiting import wait_until

from streamlake.engine.abilities import notes_of
from streamlake.engine.failpoints import REDRIVE
from streamlake.engine.operations.journals import Journals
from streamlake.engine.operations.redrive_journal import FOLDER, RedriveJournal
from streamlake.engine.records import TopicPartition

LETTERS = 30
BATCH = 10
KILLS = [
    *((point, 0) for point in REDRIVE),
    ("redrive_after_intent", 1),
    ("redrive_between_records", 14),
    ("redrive_after_sending", 2),
    ("redrive_after_done", 1),
]
"""Points, and how often they are passed before the process dies there."""


class Case:
    """A topic with dead letters, and the command that sends them back."""

    def __init__(self, kafka: SharedKafka, folder: Path) -> None:
        self.servers = kafka.bootstrap_servers
        self.topic = make_topic(self.servers, "orders", retention_ms="-1")  # the records' times are of 2023
        self.pipeline = pipeline_yaml(folder, self.servers, self.topic)
        self.lake: Lake = lake_on(self.servers, folder, self.topic)
        self.lake.claim(TopicPartition(self.topic, 0)).land(LETTERS, refused=range(LETTERS))
        self.command = ("dead", "redrive", str(self.pipeline), "--to", "source", "--batch", str(BATCH), "--yes")

    def journal(self) -> RedriveJournal:
        """The only one, as it stands."""
        journals = Journals(notes_of(self.lake.sink, "it keeps them"), FOLDER)
        return RedriveJournal.read(journals, next(iter(journals.names()), "none"))

    def known(self) -> set[int]:
        """The offsets of the letters that are known to be sent."""
        return {place.offset for place in self.journal().known.sent}

    def counted(self) -> tuple[Counter[int], Counter[int]]:
        """How often each letter is in the topic without the mark, and with it."""
        found = redelivered(self.servers, self.topic)
        plain = Counter(one.origin for one in found if not one.in_doubt)
        return plain, Counter(one.origin for one in found if one.in_doubt)

    def finish(self, *arguments: str) -> Any:
        """The same command to its end."""
        done = streamlake(*self.command, *arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def case(kafka: SharedKafka, tmp_path: Path) -> Case:
    return Case(kafka, tmp_path)


def check(plain: Counter[int], marked: Counter[int], known: Collection[int], doubtful: Collection[int]) -> None:
    """All are there; what was known stands there once; what is there twice is marked, and was in doubt."""
    assert {*plain, *marked} == set(range(LETTERS))
    assert {offset for offset in known if (plain[offset], marked[offset]) != (1, 0)} == set()
    assert max(plain.values(), default=0) == 1, "without a mark nothing is twice"
    assert set(marked) <= set(doubtful)
    assert len(doubtful) <= BATCH


@pytest.mark.parametrize(("point", "passes"), KILLS)
def test_a_redrive_that_is_killed_goes_on_and_sends_nothing_twice_that_it_knew_was_sent(
    case: Case, tmp_path: Path, point: str, passes: int
) -> None:
    deaths = tmp_path / "deaths"
    killed = streamlake(*case.command, env={"STREAMLAKE_FAILPOINT": f"{point}+{passes}:1:{deaths}"})
    assert (killed.returncode, deaths.read_bytes()) == (-signal.SIGKILL, b".")
    known, doubtful = case.known(), {place.offset for place in case.journal().known.in_doubt}
    if point == "redrive_after_sending":
        assert (len(known), len(doubtful)) == (BATCH * passes, BATCH)
    done = case.finish()
    ended = point == "redrive_after_end"
    assert done["state"] == ("nothing" if ended else "finished")
    plain, marked = case.counted()
    check(plain, marked, known, doubtful)
    assert sum(marked.values()) == len(doubtful) == done["in_doubt"]
    if point == "redrive_after_sending":
        assert sum(plain.values()) == LETTERS, "they had all arrived, and who reads them is told"
    assert case.finish()["state"] == "nothing"


def test_a_redrive_that_is_killed_again_and_again_marks_whatever_was_in_doubt_once(case: Case, tmp_path: Path) -> None:
    known: set[int] = set()
    doubtful: set[int] = set()
    for number, point in enumerate(["redrive_after_done", "redrive_after_sending+1", "redrive_after_sending"]):
        armed = {"STREAMLAKE_FAILPOINT": f"{point}:1:{tmp_path / str(number)}"}
        assert streamlake(*case.command, env=armed).returncode == -signal.SIGKILL
        known |= case.known()
        doubtful |= {place.offset for place in case.journal().known.in_doubt}
    case.finish()
    plain, marked = case.counted()
    assert {offset for offset in known if plain[offset] + marked[offset] != 1} <= doubtful
    assert max(plain.values()) == 1
    assert set(marked) == doubtful
    assert {*plain, *marked} == set(range(LETTERS))


def test_of_two_at_once_the_one_that_was_overtaken_is_fenced(case: Case, tmp_path: Path) -> None:
    frozen = tmp_path / "frozen"
    armed = {**os.environ, "STREAMLAKE_FAILPOINT": f"redrive_after_intent=STOP:1:{frozen}"}
    slow = subprocess.Popen([STREAMLAKE, *case.command], env=armed, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: frozen.exists() and case.journal().count == 2, "the first one has noted what it will send")
        done = case.finish()
        assert (done["state"], done["sent"], done["in_doubt"]) == ("finished", LETTERS, BATCH)
        slow.send_signal(signal.SIGCONT)
        _, said = slow.communicate(timeout=60)
    finally:
        slow.kill()
        slow.wait()
    assert slow.returncode == 1
    assert "another process goes on with it (note 2 is not ours), so this one has stopped" in said
    plain, marked = case.counted()
    assert marked == Counter(range(BATCH))
    assert plain == Counter(range(LETTERS)), "what it had in hand came all the same, and the other's are marked"
