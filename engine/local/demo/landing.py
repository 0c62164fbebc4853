"""The story of `make demo STORY=landing`: orders by a producer and over HTTP, counted at each hop on their way."""

from collections.abc import Sequence

from streamlake.engine.local.demo.commands import Event
from streamlake.engine.local.demo.counts import Generated, Ledger, Letters
from streamlake.engine.local.demo.edge import Posted, post_orders
from streamlake.engine.local.demo.edge import account as account_of_http
from streamlake.engine.local.demo.lake import ReadBack
from streamlake.engine.local.demo.landing_account import Landing, Seen, account
from streamlake.engine.local.demo.steps import SHOWN, Steps
from streamlake.engine.local.ports import LOOPBACK, free_ports


class LandingStory(Steps):
    """The landing itself, in the order in which it is told; each step keeps what it counted for the end."""

    name = "landing"
    title = "The happy path: HTTP and a producer → Kafka → Parquet"

    def tell(self) -> bool:
        """Tell it all; whether everything that was counted agrees."""
        self._make_topics()
        made = self._send()
        posted = self._post()
        in_kafka = self._in_kafka()
        self._screen.event(f"{in_kafka:,} offsets in Kafka")
        landing = self._land(in_kafka)
        self._lie_there()
        read = self._rows()
        in_files, in_topic = self._dead_letters()
        refused = [letter for letter in self._letters("topic") if letter["run"] == "http"]
        seen = Seen(in_kafka, len(posted.stored), landing, read.rows, in_files, in_topic, self._status(), self._prove())
        self._count(made, posted, seen, read)
        http = account_of_http(posted, self._lake.value_at(posted.stored), refused)
        return self._agree([*account(made, seen), *http])

    def _send(self) -> Generated:
        self._screen.step(f"{self._settings.records:,} orders into {self._names.topic}")
        made = self._produce(self._settings.records)
        self._introduce_orders(made)
        return made

    def _post(self) -> Posted:
        self._screen.step("The same over HTTP, for whoever can't hold a Kafka client")
        listen = f"http.listen={LOOPBACK}:{free_ports(1)[0]}"
        arguments = self._of_pipeline("serve", "--set", listen, "--set", "http.workers=1")
        posted = post_orders(self._commands, arguments, self._screen)
        self._screen.say("What is stored is a record as all others; what is refused went to the dead-letter topic.")
        return posted

    def _land(self, records: int) -> Landing:
        self._screen.step("Land them as Parquet: one worker process per partition")
        self._screen.say("Batches are kept small here, so that there is something to watch.")
        landing, told = Landing(), 0
        with self._engine("run", "--until-end", "--set", self._small) as (events, _):
            for event in events:
                match event["event"]:
                    case "assigned":
                        names = ", ".join(name.rpartition("/")[2] for name in event["partitions"])
                        self._screen.event(f"the group gave us the partitions {names}: one worker process each")
                    case "committed":
                        self._committed(landing, event)
                        if landing.records * 5 // records > told:
                            told = landing.records * 5 // records
                            self._screen.event(f"{landing.records:,} of {records:,} offsets are committed")
                    case "exit":
                        landing.exit_code = event["code"]
                    case _ if event.get("level") in ("error", "critical"):
                        self._screen.event(" ".join(f"{name}={value}" for name, value in event.items()))
        self._screen.event(f"exit code {landing.exit_code}, {sum(landing.commits.values())} commits")
        return landing

    def _committed(self, landing: Landing, event: Event) -> None:
        partition = event["partition"]
        landing.commits[partition] += 1
        landing.records += event["landed"] + event["refused"] + event["skipped"]
        if landing.commits[partition] == 1:
            self._screen.event(
                f"{partition}: first commit: [{event['first']}, {event['next']}) = {event['landed']:,} landed, "
                f"{event['refused']} refused, {event['skipped']} skipped"
            )

    def _lie_there(self) -> None:
        self._screen.step("What lies in the lake")
        self._screen.say(self._lake.place)
        self._show_files(
            {
                "raw": "what readers see: complete files, never rewritten",
                "dead": "the refused records, each with its reason",
                "_ledger": "what became of every offset: immutable entries, chained by sha256",
                "_runs": "who writes here, and where each partition starts",
            }
        )
        self._screen.output([*(f"  {path}" for path, _ in self._lake.files("raw")[:2]), "  …"])

    def _rows(self) -> ReadBack:
        self._screen.step("Read the Parquet files with a reader that knows nothing of StreamLake")
        read = self._read_back()
        self._screen.say("The numbers that are missing between first and last were refused or skipped: see below.")
        return read

    def _dead_letters(self) -> tuple[Letters, Letters]:
        self._screen.step(f"The broken ones: in dead-letter files, and copies in {self._names.dead_topic}")
        self._must("dead", "list", "--limit", str(SHOWN))
        in_files, in_topic = (self._counted_letters(source) for source in ("files", "topic"))
        if in_files.example:
            self._screen.say("Each of them can be looked at, with the rule that it broke and its original bytes:")
            self._must("dead", "show", in_files.example)
        return in_files, in_topic

    def _status(self) -> Ledger:
        self._screen.step("How far every partition is")
        self._must("status")
        return self._ledger()

    def _prove(self) -> bool:
        self._screen.step("The proof: every offset in exactly one row, dead letter or counted skip")
        self._screen.say("From the ledger and the files; with --kafka every value is compared with the topic's own.")
        return self._proven()

    def _count(self, made: Generated, posted: Posted, seen: Seen, read: ReadBack) -> None:
        ledger = seen.ledger
        hops: Sequence[tuple[str, int, str]] = (
            ("sent by the producer", made.records, "its acknowledgements"),
            ("posted over HTTP", len(posted.records), "the demo itself"),
            ("  stored in Kafka by the edge", len(posted.stored), "its answer"),
            ("  refused by the edge", len(posted.refused), "its answer"),
            ("in the topic", seen.in_kafka, "Kafka's first and last offsets"),
            ("accounted for in the ledger", ledger.all, "streamlake status"),
            ("  landed", ledger.landed, "streamlake status"),
            ("  refused", ledger.refused, "streamlake status"),
            ("  skipped, for they are tombstones", ledger.skipped, "streamlake status"),
            ("rows in Parquet files", sum(row[1] for row in read.rows), read.reader),
            ("dead letters in files", seen.in_files.copies, "streamlake dead list"),
            ("  of these in the dead-letter topic", seen.in_topic.records, "streamlake dead list --source topic"),
        )
        self._hops(*hops)
