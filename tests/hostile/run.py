"""Feeds engines with mutated orders and holds all that they answer against each other.

    python tests/hostile/run.py [--records 1000000] [--seed N]        a night's run; `make test` does a small one

The same records, on a real Kafka, are landed by every validator in both column modes and both formats, each time by the
whole engine. Each of these ways has to give one answer for a record: all of one validator the same (but for what fits
in no typed column), `jsonschema` and `pydantic` the same, and `json` accepts what they accept. What was accepted comes
back byte for byte from `envelope`, and equal from `typed`; what was refused, byte for byte from the dead letters.
Exits 1 on the first that does not.
"""

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

# ruff: noqa: E402 - after the path above
import duckdb
from hostile.mutating import mutated
from support.account import text_of
from support.engine import pipeline_yaml, run_until_end, streamlake
from support.topics import fill, make_topic
from validators.texts import INTEGERS, has_whole_floats

from streamlake.engine.local.kafka import LocalKafka

SCHEMA = HERE.parents[1] / "plugins/validators/orders.schema.json"
VALIDATORS: Mapping[str, dict[str, Any]] = {
    "none": {"type": "none"},
    "json": {"type": "json"},
    "jsonschema": {"type": "jsonschema", "schema": str(SCHEMA)},
    "pydantic": {"type": "pydantic", "model": "streamlake.plugins.validators.orders:Order"},
}
WAY_SECONDS = 3 * 3600.0
LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")
Answer = str
"""`accepted`, or the reason of the dead letter."""


@dataclass(frozen=True)
class Way:
    """One way to land the records."""

    validator: str
    columns: str
    format: str

    def __str__(self) -> str:
        return f"{self.validator}, {self.columns}, {self.format}"


WAYS = [
    Way(validator, columns, file_format)
    for validator in VALIDATORS
    for columns in ("envelope", "typed")
    for file_format in ("parquet", "jsonl")
    if columns == "envelope" or validator in ("jsonschema", "pydantic")
]


class DifferenceError(Exception):
    """An answer that is not the one it has to be."""


def hostile(servers: str, folder: Path, values: Sequence[bytes]) -> Counter[str]:
    """Land `values` in every way; how many answers of each kind there were. Raises DifferenceError."""
    topic = make_topic(servers, "hostile", max_message_bytes="2000000")
    # Copies of dead letters are not what is looked at here, and there will be millions.
    make_topic(servers, exactly=f"{topic}.dlq", retention_bytes="100000000", max_message_bytes="3000000")
    fill(servers, topic, values, idempotent=True)
    answers: dict[str, list[Answer]] = {}
    counts: Counter[str] = Counter()
    for way in WAYS:
        say(f"landing: {way}")
        found = _landed(servers, folder, topic, way, values)
        first = answers.setdefault(way.validator, found)
        if way.columns == "typed":
            first = [_answer_in_columns(answer, value) for answer, value in zip(first, values, strict=True)]
        _same(f"{way} and {way.validator} before", first, found, values)
        counts.update(f"{way.validator}: {answer}" for answer in found)
    by_schema, by_model = answers["jsonschema"], answers["pydantic"]
    alike = [answer if not has_whole_floats(value) else "" for answer, value in zip(by_schema, values, strict=True)]
    others = [answer if not has_whole_floats(value) else "" for answer, value in zip(by_model, values, strict=True)]
    _same("jsonschema and pydantic", alike, others, values)
    for place, answer in enumerate(answers["json"]):
        if answers["none"][place] != "accepted":
            raise DifferenceError(f"none refuses {values[place]!r}")
        if answer != "accepted" and by_schema[place] != answer:
            raise DifferenceError(f"json says {answer}, jsonschema {by_schema[place]}: {values[place]!r}")
    return counts


def _landed(servers: str, folder: Path, topic: str, way: Way, values: Sequence[bytes]) -> list[Answer]:
    """Run an engine to the end; its answer for each record, all of which came back as they have to."""
    own = folder / str(way).replace(", ", "-")
    own.mkdir()
    pipeline = pipeline_yaml(
        own,
        servers,
        topic,
        kafka__group_id=f"{topic}.{own.name}",
        validator=VALIDATORS[way.validator],
        sink__format=way.format,
        sink__columns=way.columns,
        sink__partition_by="none",
        batch={"rows_max": 50_000, "seconds_max": 5},
        dead_letters__breaker={"ratio_max": 1, "consecutive_max": 50_000_000},
    )
    run_until_end(pipeline, seconds=WAY_SECONDS)
    done = streamlake("prove", str(pipeline), seconds=WAY_SECONDS)
    if done.returncode:
        raise DifferenceError(f"{way}: {done.stdout}")
    found: list[Answer | None] = [None] * len(values)
    for offset, row in _rows(own / "lake/raw"):
        _once(found, offset, "accepted", way)
        _check_accepted(way, row, values[offset])
    for offset, row in _rows(own / "lake/dead"):
        _once(found, offset, row["reason"], way)
        if row["value"] != values[offset]:
            raise DifferenceError(f"{way}: the dead letter of {values[offset]!r} holds {row['value']!r}")
    answers = [answer for answer in found if answer is not None]
    if len(answers) != len(values):
        raise DifferenceError(f"{way}: {len(values) - len(answers)} records are nowhere")
    if "crash" in answers:
        raise DifferenceError(f"{way}: {values[answers.index('crash')]!r} crashes the validator")
    return answers


def _once(found: list[Answer | None], offset: int, answer: Answer, way: Way) -> None:
    if found[offset] is not None:
        raise DifferenceError(f"{way}: offset {offset} is {found[offset]} and {answer}")
    found[offset] = answer


def _check_accepted(way: Way, row: Mapping[str, Any], value: bytes) -> None:
    if way.columns == "typed":
        wanted: object = _typed(json.loads(value))
        got: object = _typed({name: cell for name, cell in row.items() if not name.startswith("_")})
    else:
        # JSONL has one line for a row, so line breaks between tokens are landed as spaces; `none` lands any bytes.
        wanted = value.translate(LINE_BREAKS) if way.format == "jsonl" and way.validator != "none" else value
        got = row["value"]
    if got != wanted:
        raise DifferenceError(f"{way}: {value!r} came back as {got!r}")


def _typed(order: Mapping[str, Any]) -> dict[str, Any]:
    """An order by what its columns can tell: `10` and `10.0` are one double."""
    doubles = {"total": float(order["total"]), "ordered_at": str(order["ordered_at"])}
    return {**order, **doubles, "items": [{**item, "price": float(item["price"])} for item in order["items"]]}


def _rows(folder: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Offset and fields of every row under a folder, `value` as bytes; read by DuckDB, or as lines."""
    for path in sorted(folder.rglob("*.*")):
        if path.suffix == ".parquet":
            # Times of our own are left out: with a time zone DuckDB would need another package for them.
            wanted = "columns('^(_offset|[^_].*)$')" if folder.name == "raw" else "_offset, value, reason"
            rows = duckdb.execute(f"select {wanted} from read_parquet(?)", [str(path)])
            names = [column[0] for column in rows.description or ()]
            while chunk := rows.fetchmany(10_000):
                for cells in chunk:
                    row = dict(zip(names, cells, strict=True))
                    yield row["_offset"], _with_bytes(row)
        elif path.is_file():
            with path.open("rb") as lines:
                for line in lines:
                    row = json.loads(line)
                    yield row["_offset"], _with_payload(row, line, spliced=folder.name == "raw")


def _with_bytes(row: dict[str, Any]) -> Mapping[str, Any]:
    value = row.get("value")
    return {**row, "value": value.encode()} if isinstance(value, str) else row


def _with_payload(row: dict[str, Any], line: bytes, *, spliced: bool) -> Mapping[str, Any]:
    """A JSON payload stands in the line as it came, at its end; any other bytes as text or base64."""
    if "value" not in row:
        return row
    value = row["value"]
    if value is None or not spliced or isinstance(value, str) or (isinstance(value, dict) and set(value) == {"base64"}):
        return {**row, "value": text_of(value)}
    return {**row, "value": line[line.index(b'"value":') + len(b'"value":') : -2]}


def _same(who: str, ones: Sequence[Answer], others: Sequence[Answer], values: Sequence[bytes]) -> None:
    for one, other, value in zip(ones, others, values, strict=True):
        if one != other:
            raise DifferenceError(f"{who}: {one}, {other}: {value!r}")


def _answer_in_columns(answer: Answer, value: bytes) -> Answer:
    """The answer in typed columns: what a column would have to bend is refused (docs/validation.md)."""
    if answer != "accepted":
        return answer
    order = json.loads(value)
    integers = [part[name] for part in (order, *order["items"]) for name in INTEGERS if name in part]
    numbers = [order["total"], *(item["price"] for item in order["items"])]
    fit = all(isinstance(number, int) and number < 2**63 for number in integers)
    return "accepted" if fit and all(float(number) == number for number in numbers) else "invalid"


def say(text: str) -> None:
    """Tell what is being done."""
    print(f"hostile: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--servers", help="a Kafka that runs already; without it one is started")
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if asked.seed is None else asked.seed
    say(f"seed {seed}: {asked.records} records")
    values = list(mutated(seed, asked.records))
    with tempfile.TemporaryDirectory(prefix="streamlake-hostile-") as folder:
        try:
            if asked.servers:
                counts = hostile(asked.servers, Path(folder), values)
            else:
                with LocalKafka(say=say) as kafka:
                    counts = hostile(kafka.bootstrap_servers, Path(folder), values)
        except DifferenceError as difference:
            print(f"{difference}\nreplay: python tests/hostile/run.py --seed {seed} --records {asked.records}")
            return 1
    for answer, count in sorted(counts.items()):
        print(f"{count:10}  {answer}")
    print(f"seed {seed}: {asked.records} mutated orders, each landed in {len(WAYS)} ways: one answer, nothing altered")
    return 0


if __name__ == "__main__":
    sys.exit(main())
