"""`make demo STORY=dead-letters`: bad orders, the breaker, the fix, and the way back of what was refused."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streamlake.engine.errors import LocalError
from streamlake.engine.local.demo.counts import Generated, Ledger
from streamlake.engine.local.demo.dead_letters_account import Seen, account
from streamlake.engine.local.demo.lake import ReadBack
from streamlake.engine.local.demo.schema import schema_of_the_model
from streamlake.engine.local.demo.steps import Steps
from streamlake.engine.local.orders import orders

CURRENCY = "SEK"
SOME = 10  # one order in so many is in the new currency, at first
ALL_MIN = 6_000  # so that each of four partitions gets more than the 500 in a row that the breaker lets pass
VALIDATOR = '  type: pydantic\n  model: "streamlake.plugins.validators.orders:Order"\n'
MENDED = "  type: jsonschema\n  schema: order.schema.json\n"
BACK = ("dead", "redrive", "--to", "source", "--only-now-valid")


class DeadLettersStory(Steps):
    """A shop opens in Sweden, and nobody has told the pipeline."""

    name = "dead-letters"
    title = "Dead letters: bad orders, the breaker, the fix, and the way back"

    def tell(self) -> bool:
        """Tell it all; whether everything that was counted agrees."""
        self._make_topics()
        made, some = self._some_bad_orders()
        first = self._land()
        more = self._only_bad_orders()
        code, second = self._breaker_opens()
        self._mend()
        third = self._go_on()
        redriven = self._redrive()
        last = self._land_again()
        read, seen_in = self._read_swedish()
        letters = len(self._letters())
        proven = self._prove()
        seen = Seen(
            some=len(some),
            more=len(more),
            ledgers=(first, second, third, last),
            code=code,
            redriven=redriven,
            each_once=seen_in == Counter(some + more),
            rows=read.rows,
            letters=letters,
            proven=proven,
        )
        self._count(made, seen, read)
        return self._agree(account(made, seen))

    def _some_bad_orders(self) -> tuple[Generated, list[bytes]]:
        records = self._settings.records // 4
        self._screen.step(f"{2 * records:,} orders, and among them some that nobody has told the pipeline of")
        made = self._produce(records)
        self._introduce_orders(made)
        mixed = _good_orders(records, seed=2)
        mixed[::SOME] = some = _in_the_new_currency(mixed[::SOME])
        self._screen.say(f"And a shop has opened in Sweden. Its first {len(some):,} orders are in {CURRENCY}:")
        self._send(mixed, "first-orders.jsonl")
        return made + Generated.of(len(mixed) - len(some), 0, 0), some

    def _land(self) -> Ledger:
        self._screen.step("Land them: the bad ones are refused, each with its reason, and stop nobody")
        self._must("run", "--until-end", "--set", self._small)
        self._must("status")
        self._screen.say("What is refused, counted by rule: two reasons stand for ordinary dirt, one is no accident.")
        self._must("dead", "stats", "--by", "reason,field", "--limit", "3")
        return self._ledger()

    def _only_bad_orders(self) -> list[bytes]:
        more = _in_the_new_currency(_good_orders(max(ALL_MIN, self._settings.records // 5), seed=11))
        self._screen.step(f"Sweden has a sale: {len(more):,} orders in {CURRENCY}, one after the other")
        self._send(more, "sale.jsonl")
        return more

    def _breaker_opens(self) -> tuple[int, Ledger]:
        self._screen.step("The breaker: rather stop than send a whole topic into the dead letters")
        self._screen.say("Look at the exit code, at what it says is wrong, and that nothing of this was refused.")
        code = -1
        with self._engine("run", "--until-end") as (events, _):
            for event in events:
                match event["event"]:
                    case "parked":
                        self._screen.event(f"{event['partition']} is parked: {event['why'].partition('. ')[0]}")
                        if not self._chapter.marks:
                            self._screen.recording.mark("the breaker stops the first partition")
                    case "exit":
                        code = event["code"]
        self._screen.event(f"exit code {code}")
        self._must("status")
        return code, self._ledger()

    def _mend(self) -> None:
        self._screen.step("The fix: a schema that knows the currency")
        schema = schema_of_the_model(self._screen)
        schema["properties"]["currency"]["enum"].append(CURRENCY)
        path = self.pipeline.with_name("order.schema.json")
        path.write_text(json.dumps(schema, indent=2))
        text = self.pipeline.read_text()
        if VALIDATOR not in text:
            raise LocalError(f"{self.pipeline} has another validator than this story knows: it can't mend that")
        self.pipeline.write_text(text.replace(VALIDATOR, MENDED))
        self._screen.recording.mark("the schema is mended")
        self._screen.say(f"{path} is what that prints and {CURRENCY}; {self._pipeline_name} names it as its validator.")
        self._screen.say("Would it help? A dry run of some that wait, which leaves no trace:")
        self._must("dry-run", "--limit", "5", "--from", "latest")

    def _go_on(self) -> Ledger:
        self._screen.step("Start it again: what the breaker held back lands")
        self._run_to_the_end()
        return self._ledger()

    def _redrive(self) -> Mapping[str, Any]:
        self._screen.step("What was refused before: back to where it came from")
        self._screen.say("First the plan. What would be refused again, the truly broken ones, stays where it is.")
        self._must(*BACK, "--dry-run")
        found: dict[str, Any] = json.loads(self._must(*BACK, "--yes", "--json", show=False))
        self._screen.recording.mark("the refused ones are sent back")
        self._screen.event(f"{found['sent']:,} were sent, and acknowledged")
        self._screen.say("And once more, for whoever is not sure whether it is done: nothing is sent twice.")
        self._screen.output(self._must(*BACK, "--yes", show=False).splitlines()[:3])
        return found

    def _land_again(self) -> Ledger:
        self._screen.step("Land what has come back")
        self._run_to_the_end()
        self._must("status")
        return self._ledger()

    def _read_swedish(self) -> tuple[ReadBack, Counter[bytes]]:
        self._screen.step("Read the Parquet files with a reader that knows nothing of StreamLake")
        read = self._read_back()
        landed = Counter(value for value in self._lake.payloads() if f'"{CURRENCY}"'.encode() in value)
        self._screen.event(f"{landed.total():,} rows are in {CURRENCY}")
        return read, landed

    def _prove(self) -> bool:
        self._screen.step("The proof: every offset in exactly one row, dead letter or counted skip")
        return self._proven()

    def _run_to_the_end(self) -> None:
        """A run that has to succeed, sampled."""
        with self._engine("run", "--until-end", "--set", self._small) as (events, _):
            code = next(event["code"] for event in events if event["event"] == "exit")
        self._screen.event(f"exit code {code}")
        if code:
            raise LocalError(f"`streamlake run` failed with exit code {code}: the demo stops here")

    def _send(self, values: Sequence[bytes], name: str) -> None:
        path = self._settings.folder / name
        path.write_bytes(b"\n".join(values) + b"\n")
        self._must("produce", "--file", str(path.relative_to(Path.cwd())), "--key-field", "/customer_id")

    def _count(self, made: Generated, seen: Seen, read: ReadBack) -> None:
        first, second, third, last = seen.ledgers
        self._hops(
            ("other orders sent, broken ones too", made.records, "acknowledgements"),
            (f"orders in {CURRENCY} sent among them", seen.some, "acknowledgements"),
            ("refused at first", first.refused, "streamlake status"),
            (f"orders in {CURRENCY} sent in the sale", seen.more, "acknowledgements"),
            ("  of these refused before the breaker opened", second.refused - first.refused, "streamlake status"),
            ("  landed after the fix", third.landed - second.landed, "streamlake status"),
            ("sent back", seen.redriven["sent"], "streamlake dead redrive"),
            ("  landed this time", last.landed - third.landed, "streamlake status"),
            ("rows in Parquet files", sum(row[1] for row in read.rows), read.reader),
            ("dead letters that are kept", seen.letters, "streamlake dead list"),
        )


def _good_orders(count: int, seed: int) -> list[bytes]:
    return [value for batch in orders(count, seed=seed) for _, value in batch if value is not None]


def _in_the_new_currency(values: Sequence[bytes]) -> list[bytes]:
    return [re.sub(rb'"currency":"[A-Z]{3}"', f'"currency":"{CURRENCY}"'.encode(), value) for value in values]
