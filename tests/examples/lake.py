"""A pipeline into the example's database, run by the environment that has it, and an account taken without our code."""

import base64
import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.account import Account, check_copies
from support.engine import Engine, pipeline_yaml, streamlake
from support.topics import fill, make_topic


@dataclass
class SqliteScene:
    """One pipeline over one topic; a value's place in `produced` is its offset."""

    folder: Path
    servers: str
    program: str
    topic: str = ""
    pipeline: Path = Path()
    produced: dict[int, list[bytes | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.topic = make_topic(self.servers, "orders")
        make_topic(self.servers, exactly=f"{self.topic}.dlq")
        self.pipeline = pipeline_yaml(
            self.folder,
            self.servers,
            self.topic,
            validator={"type": "required", "fields": ["order"]},
            sink={"type": "sqlite", "root": "lake.db"},
        )

    def produce(self, values: Iterable[bytes | None]) -> None:
        """Add values."""
        values = list(values)
        fill(self.servers, self.topic, values)
        self.produced.setdefault(0, []).extend(values)

    def engine(self, *arguments: str, env: dict[str, str] | None = None) -> Engine:
        """Start `streamlake run`; to be left by `with`."""
        return Engine(self.pipeline, *arguments, env=env, program=self.program)

    def run(self, env: dict[str, str] | None = None) -> Engine:
        """A run to the end that has to succeed."""
        with self.engine("--until-end", env=env) as engine:
            assert engine.wait() == 0, engine.log()
        return engine

    def said(self, *arguments: str) -> Any:
        """What a command says as JSON; it has to succeed."""
        done = streamlake(arguments[0], str(self.pipeline), "--json", *arguments[1:], program=self.program)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def select(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the database as SQLite has them."""
        with closing(sqlite3.connect(self.folder / "lake.db")) as connection:
            return connection.execute(query).fetchall()

    def check(self) -> Account:
        """Exactly once: by an account of the tables, in the dead-letter topic, and by `prove`."""
        account = Account()
        for partition, offset, value in self.select("SELECT partition, position, value FROM records"):
            account.times[partition, offset] += 1
            account.raw[partition, offset] = json.loads(value)
        letters = "SELECT partition, position, value, reason FROM dead_letters"
        for partition, offset, value, reason in self.select(letters):
            account.times[partition, offset] += 1
            letter = {"reason": reason, "value": {"base64": base64.b64encode(value).decode()}}
            account.dead[partition, offset] = letter
        for partition, body in self.select("SELECT partition, body FROM entries"):
            for span in json.loads(body)["skipped_offsets"]:
                places = [(partition, offset) for offset in range(span["first"], span["next"])]
                account.skipped.update(places)
                account.times.update(places)
        account.check(self.produced)
        proof = self.said("prove", "--kafka")
        counts = tuple(proof["totals"][name] for name in ("rows", "dead_letters", "skipped"))
        assert counts == (len(account.raw), len(account.dead), len(account.skipped))
        assert proof["kafka"]["compared"] == len(account.times)
        check_copies(self.servers, f"{self.topic}.dlq", account)
        return account
