"""The story of `make demo STORY=replay`: a schema refuses what it should not, and a replay puts it right."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from streamlake.engine.errors import LocalError
from streamlake.engine.local.demo.counts import Generated, Ledger, Row
from streamlake.engine.local.demo.replay_account import Replayed, account, forgotten_of
from streamlake.engine.local.demo.schema import schema_of_the_model
from streamlake.engine.local.demo.steps import BROKEN, TOMBSTONES, Steps

RUN = "mended"
FORGOTTEN = "CHF"
COMMITS_BEFORE_THE_KILL, BATCHES_TO_BE_KILLED = 2, 400
BOUNDS = ("--from", "earliest", "--to", "latest", "--name", RUN)


class ReplayStory(Steps):
    """The steps, in the order in which they are told."""

    name = "replay"
    title = "Replay: a bad schema, the plan, the run, the difference, the promotion"

    def tell(self) -> bool:
        """Tell it all; whether everything that was counted agrees."""
        self._make_topics()
        self._screen.step(f"{self._settings.records:,} orders into {self._names.topic}")
        made = self._produce(self._settings.records)
        self._introduce_orders(made)
        live = self._land_by_a_bad_schema()
        planned = self._plan()
        killed = self._replay_and_kill()
        outcome = self._go_on()
        compared = self._compare()
        rows_before = self._rows("Readers see what they saw: a replay has a folder of its own")
        self._promote()
        rows_after = self._rows("Readers see the replay's rows now, and each offset once")
        seen = Replayed(
            forgotten=forgotten_of(self._settings.records, BROKEN, TOMBSTONES, FORGOTTEN),
            live=live,
            planned=planned,
            killed=killed,
            outcome=outcome,
            compared=compared,
            rows_before=rows_before,
            rows_after=rows_after,
            letters=self._letters_left(),
            superseded=len(self._lake.files("superseded")),
            proven=self._prove(),
        )
        self._count(made, seen)
        return self._agree(account(made, seen))

    def _land_by_a_bad_schema(self) -> Ledger:
        self._screen.step("Land them, by a schema that somebody has written from memory")
        schema = schema_of_the_model(self._screen)
        schema["properties"]["currency"]["enum"].remove(FORGOTTEN)
        path = self._settings.folder / "from-memory.schema.json"
        path.write_text(json.dumps(schema, indent=2))
        self._screen.say(f"{path} is what that prints, but for one thing: it has never heard of {FORGOTTEN}.")
        validator = f"validator={{type: jsonschema, schema: {json.dumps(str(path))}}}"
        with self._engine("run", "--until-end", "--set", self._small, "--set", validator) as (events, _):
            code = next(event["code"] for event in events if event["event"] == "exit")
        if code:
            raise LocalError(f"`streamlake run` failed with exit code {code}: the demo stops here")
        self._screen.say("Nothing is lost, but far too much was refused:")
        self._must("status")
        self._must("dead", "stats", "--by", "reason,field", "--limit", "3")
        return self._ledger()

    def _plan(self) -> Mapping[str, Any]:
        self._screen.step("Mend it, and ask what a replay would do")
        self._screen.say(
            "Mended is easy: from here on the validator is the one that the pipeline's YAML names, the model itself. "
            "A plan resolves the bounds, says what became of these offsets the first time, and writes nothing."
        )
        self._must("replay", "plan", *BOUNDS)
        found: dict[str, Any] = json.loads(self._must("replay", "plan", *BOUNDS, "--json", show=False))
        return found

    def _replay_and_kill(self) -> Mapping[str, Any]:
        self._screen.step("Replay it, and kill -9 the whole replay in the middle")
        commits, pid = 0, 0
        # So many batches that there is a middle, however late the kill comes.
        smaller = f"batch.rows_max={max(1, self._settings.records // BATCHES_TO_BE_KILLED)}"
        with self._engine("replay", "run", *BOUNDS, "--set", smaller) as (events, _):
            for event in events:
                match event["event"]:
                    case "started":
                        pid = event["pid"]
                    case "committed":
                        commits += 1
                        if commits == COMMITS_BEFORE_THE_KILL:
                            os.kill(pid, signal.SIGKILL)
                            self._screen.recording.mark("kill -9: the replay")
                            self._screen.command(["kill", "-9", str(pid)])
        found: dict[str, Any] = json.loads(self._must("replay", "show", RUN, "--json", show=False))
        self._screen.event(f"{found['accounted']:,} of {found['offsets']:,} offsets are in the replay's ledger")
        return found

    def _go_on(self) -> Mapping[str, Any]:
        self._screen.step("The same run again: it goes on where its ledger ends")
        arguments = ("replay", "run", "--name", RUN, "--set", self._small, "--json")
        found: dict[str, Any] = json.loads(self._must(*arguments, show=False))
        self._must("replay", "show", RUN)
        self._screen.say("And once more, for whoever is not sure whether it is done:")
        self._must("replay", "run", "--name", RUN)
        return found

    def _compare(self) -> Mapping[str, Any]:
        self._screen.step("How it differs from what is live: offset by offset, values too")
        arguments = self._of_pipeline("replay", "diff", RUN, "--examples", "3")
        self._commands.run(*arguments)  # exit code 1: it differs
        _, said = self._commands.run(*arguments, "--json", show=False)
        found: dict[str, Any] = json.loads(said)
        return found

    def _rows(self, title: str) -> Sequence[Row]:
        self._screen.step(title)
        return self._read_back().rows

    def _promote(self) -> None:
        self._screen.step("Promote it: its rows become the live ones, what they replace is kept")
        self._must("replay", "promote", RUN, "--yes")
        self._screen.recording.mark("promoted")
        self._show_files(
            {
                "raw": "what readers see",
                f"replays/{RUN}": "where the replay's files were",
                "superseded": "the files of the first time, which stay provable",
            }
        )
        self._screen.say("From here on live-2 lands what comes, where live-1 was:")
        self._must("run", "--until-end")

    def _letters_left(self) -> int:
        self._screen.step("What is refused now: the broken ones")
        self._must("dead", "stats", "--by", "reason,field", "--limit", "3")
        return len(self._letters())

    def _prove(self) -> bool:
        self._screen.step("The proof: of what readers see, of the replay, and of what was superseded")
        return self._proven()

    def _count(self, made: Generated, seen: Replayed) -> None:
        before = seen.planned["before"]
        self._hops(
            ("sent by the producer", made.records, "its acknowledgements"),
            ("landed by the bad schema", seen.live.landed, "streamlake status"),
            ("refused by it", seen.live.refused, "streamlake status"),
            ("  of these in a currency that it forgot", seen.forgotten, "the generator"),
            ("to be replayed", seen.planned["offsets"], "streamlake replay plan"),
            ("  of these refused the first time", before["refused"], "streamlake replay plan"),
            ("in the replay's ledger when it was killed", seen.killed["accounted"], "streamlake replay show"),
            ("landed by the replay", seen.outcome["landed"], "streamlake replay run"),
            ("with the same value both times", seen.compared["values"]["same"], "streamlake replay diff"),
            ("rows for readers before the promotion", sum(row[1] for row in seen.rows_before), "a reader of Parquet"),
            ("rows for readers after it", sum(row[1] for row in seen.rows_after), "a reader of Parquet"),
            ("dead letters left", seen.letters, "streamlake dead list"),
        )
