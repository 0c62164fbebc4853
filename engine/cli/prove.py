"""`streamlake prove`: checks that every offset stands in exactly one place, and tells the defects."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamlake.engine.cli.common import (
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_json,
    set_option,
)
from streamlake.engine.cli.parts import open_ledger, open_topic_reader, point_in_time
from streamlake.engine.counted import counted
from streamlake.engine.errors import Exit

if TYPE_CHECKING:  # Arrow takes a fifth of a second to import
    from streamlake.engine.operations.proof_types import Defect, Findings, Proof

DRAW_SECONDS = 0.2


@click.command("prove", short_help="Prove that every offset landed exactly once.")
@pipeline_argument
@set_option
@log_format_option
@click.option("--quick", is_flag=True, help="Look at names and sizes only; read no file.")
@click.option(
    "--since",
    callback=point_in_time,
    help="Leave out what was committed before: a timestamp with its zone, or how long ago (2h).",
)
@click.option("--kafka", is_flag=True, help="Compare with the topics, too, where they still keep what landed.")
@click.option("--run", help="Of one replay alone.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=0), help="Defects to print at most.")
@json_option
def command(
    pipeline: tuple[Path, ...],
    overrides: tuple[str, ...],
    *,
    quick: bool,
    since: datetime | None,
    kafka: bool,
    run: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Prove that every offset of PIPELINE.yaml's topics stands in exactly one row, dead letter, counted skip or hole.

    Reads the ledger, every file it names, and whatever else lies beside them. May run beside an engine. Exits 0 when
    all is well, 1 when anything is missing, twice, altered or astray.
    """
    from streamlake.engine.operations.prove import Subject, prove  # noqa: PLC0415
    from streamlake.engine.operations.replays import replay_named  # noqa: PLC0415

    if quick and kafka:
        raise click.UsageError("--quick reads no file, --kafka compares what stands in them: choose one")
    config = load(pipeline, overrides)
    subject = Subject(config.pipeline, config.kafka.group_id, config.kafka.topic_names)
    ledger = open_ledger(config)
    if run is not None:
        replay_named(ledger, run)
    with closing(open_topic_reader(config)) if kafka else nullcontext() as reader, _drawn_progress() as progress:
        proof = prove(
            ledger, subject, quick=quick, since=since, run=run, topic_reader=reader, limit=limit, progress=progress
        )
    if as_json:
        print_json(proof_json(proof, config.pipeline))
    else:
        click.echo("\n".join(proof_lines(proof, config.pipeline)))
    sys.exit(Exit.DONE if proof.holds else Exit.FAILED)


def proof_lines(proof: "Proof", pipeline: str) -> Iterator[str]:
    """The proof for a person: a line for each defect and note, and one with the totals."""
    from streamlake.engine.operations.proof_types import MEANINGS  # noqa: PLC0415

    for defect in proof.defects:
        yield f"{defect.kind:<11} {_sentence(defect)}"
    found = sum(proof.counts.values())
    if found > len(proof.defects):
        yield f"… and {found - len(proof.defects):,} more (--limit)"
    for note in proof.notes:
        yield f"note        {note}"
    if proof.holds:
        yield f"{pipeline}: proven{_scope(proof)}: {_totals(proof)}"
        return
    yield ""
    for kind, count in sorted(proof.counts.items()):
        yield f"{count:>8,} {kind}: {MEANINGS[kind]}"
    yield f"{pipeline}: NOT proven{_scope(proof)}: {_totals(proof)}"


def proof_json(proof: "Proof", pipeline: str) -> dict[str, Any]:
    """The proof as one JSON document."""
    return {
        "pipeline": pipeline,
        "holds": proof.holds,
        "quick": proof.quick,
        "since": proof.since.isoformat() if proof.since else None,
        "totals": asdict(proof.totals),
        "kafka": asdict(proof.kafka) if proof.kafka else None,
        "counts": dict(proof.counts),
        "defects": [_defect_json(defect) for defect in proof.defects],
        "notes": list(proof.notes),
        "seconds": round(proof.seconds, 3),
    }


def _sentence(defect: "Defect") -> str:
    place = defect.place()
    return f"{place}: {defect.message}" if place else defect.message


def _scope(proof: "Proof") -> str:
    parts = ["names and sizes only"] if proof.quick else []
    if proof.since is not None:
        parts.append(f"since {proof.since.isoformat(timespec='seconds')}")
    return f" ({', '.join(parts)})" if parts else ""


def _totals(proof: "Proof") -> str:
    totals = proof.totals
    entries, partitions = counted(totals.entries, "entry", "entries"), counted(totals.partitions, "partition")
    line = (
        f"{counted(totals.offsets, 'offset')} = {counted(totals.rows, 'row')} "
        f"+ {counted(totals.dead_letters, 'dead letter')} + {totals.skipped:,} skipped "
        f"+ {counted(totals.holes, 'hole')} + {totals.gaps:,} given up, in {counted(totals.files, 'file')} "
        f"({totals.bytes / 1e6:,.1f} MB), {entries}, {partitions}; {proof.seconds:.1f} s"
    )
    if totals.beside:
        line += f"; proven beside them: {totals.beside:,} offsets of replays and of what was superseded"
    if proof.kafka is not None:
        kafka = proof.kafka
        line += (
            f"; compared with Kafka: {kafka.compared:,} offsets and {kafka.values:,} values, {kafka.expired:,} offsets "
            f"are no longer kept, {kafka.vanished:,} were compacted away, {kafka.pending:,} have not landed yet"
        )
    return line


def _defect_json(defect: "Defect") -> dict[str, Any]:
    return {
        "kind": defect.kind,
        "message": defect.message,
        "run": defect.run,
        "topic": defect.source.topic if defect.source else None,
        "partition": defect.source.partition if defect.source else None,
        "first": defect.offsets.first if defect.offsets else None,
        "next": defect.offsets.next if defect.offsets else None,
        "path": defect.path,
    }


@contextmanager
def _drawn_progress() -> Iterator[Callable[["Findings"], None]]:
    """Counts on a terminal's last line while the proof is under way; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415

    drawn_at = 0.0
    with Console(stderr=True).status("reading the ledger") as status:

        def draw(findings: "Findings") -> None:
            nonlocal drawn_at
            now = time.monotonic()
            if now - drawn_at > DRAW_SECONDS:
                drawn_at, totals = now, findings.totals
                status.update(
                    f"{totals.offsets:,} offsets, {totals.files:,} files, {sum(findings.counts.values())} defects"
                )

        yield draw
