"""`streamlake replay diff`: what a replay made of each offset, beside what the live run or another one made of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamlake.engine.cli.common import (
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_json,
    print_table,
    set_option,
)
from streamlake.engine.cli.parts import open_ledger
from streamlake.engine.errors import Exit, UsageError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from streamlake.engine.operations.diff_types import Example, OutcomePair, ReplayDiff

PAIR_COLUMNS = ("offsets", "in the run", "there", "")
PARTITION_COLUMNS = ("partition", "first", "next", "same", "other outcome", "other value", "not compared")


@click.command("diff", short_help="Compare a replay with the live run, or with another one.")
@pipeline_argument
@click.argument("run", metavar="RUN")
@click.option("--against", default="live", show_default=True, metavar="live|RUN", help="What to compare it with.")
@click.option("--examples", default=10, show_default=True, type=click.IntRange(0, 1000), help="How many to show.")
@click.option("--parquet", type=click.Path(path_type=Path), metavar="FILE", help="A new file of every difference.")
@set_option
@log_format_option
@json_option
def command(
    pipeline: tuple[Path, ...],
    run: str,
    overrides: tuple[str, ...],
    *,
    against: str,
    examples: int,
    parquet: Path | None,
    as_json: bool,
) -> None:
    """Compare what RUN made of each offset of its range with what is live, or with another run.

    Read are the ledgers and the files, and nothing is written but FILE. Exit code 0: nothing differs of all that can be
    compared, 1: something does. An offset without a record in either is no difference, whatever the reason.
    """
    from streamlake.engine.operations.replay_diff import DiffRequest, diff_replay  # noqa: PLC0415  # heavy

    config = load(pipeline, overrides)
    with _file(parquet) as file:
        diff = diff_replay(open_ledger(config), DiffRequest(run, against, examples), file)
    if as_json:
        print_json({"pipeline": config.pipeline, **diff_json(diff)})
    else:
        _print(config.pipeline, diff)
        if parquet is not None:
            click.echo(f"{diff.differences:,} differences in {parquet}")
    if not diff.same:
        raise SystemExit(Exit.FAILED)


def diff_json(diff: "ReplayDiff") -> dict[str, Any]:
    """The comparison for JSON."""
    return {
        "run": diff.run,
        "against": diff.against,
        "same": diff.same,
        "differences": diff.differences,
        "values": {
            "same": diff.values_same,
            "differ": diff.values_differ,
            "not_compared": diff.values_not_compared,
            "columns_apart": list(diff.columns_apart),
        },
        "outcomes": [
            {"here": asdict(pair.here), "there": asdict(pair.there), "offsets": pair.offsets, "differs": pair.differs}
            for pair in diff.pairs
        ],
        "partitions": [
            {
                "topic": one.source.topic,
                "partition": one.source.partition,
                **asdict(one.range),
                "same": one.same,
                "outcomes_differ": one.outcomes,
                "values_differ": one.values,
                "not_compared": one.not_compared,
            }
            for one in diff.partitions
        ],
        "examples": [_example_json(example) for example in diff.examples],
        "remarks": list(diff.remarks),
    }


def _print(pipeline: str, diff: "ReplayDiff") -> None:
    there = "what is live" if diff.against == "live" else diff.against
    verdict = "nothing differs" if diff.same else f"{diff.differences:,} offsets differ"
    click.echo(f"{pipeline}: {diff.run} beside {there}: {verdict}")
    print_table(PAIR_COLUMNS, list(_pair_rows(diff)), right=("offsets",))
    print_table(
        PARTITION_COLUMNS,
        [
            (
                str(one.source),
                *map("{:,}".format, (one.range.first, one.range.next, one.same, one.outcomes, one.values)),
                f"{one.not_compared:,}",
            )
            for one in diff.partitions
        ],
        right=PARTITION_COLUMNS[1:],
    )
    for remark in diff.remarks:
        click.echo(remark)
    for example in diff.examples:
        click.echo(f"{example.source} offset {example.offset}: {example.here} in the run, {example.there} there")
        if example.here_value is not None or example.there_value is not None:
            click.echo(f"  in the run  {example.here_value}")
            click.echo(f"  there       {example.there_value}")


def _pair_rows(diff: "ReplayDiff") -> Iterator[Sequence[str]]:
    """Each pair of outcomes; what landed in both is told apart by its values."""
    for pair in diff.pairs:
        here, there = str(pair.here), str(pair.there)
        if here == there == "landed":
            counts = (diff.values_same, diff.values_differ, diff.values_not_compared)
            said = ("same value", "OTHER VALUE", "values not compared")
            yield from ((f"{n:,}", here, there, what) for n, what in zip(counts, said, strict=True) if n)
        else:
            yield f"{pair.offsets:,}", here, there, _said(pair)


def _said(pair: "OutcomePair") -> str:
    if pair.differs:
        return "OTHER OUTCOME"
    return "same" if pair.here == pair.there else "no record in either"


def _example_json(example: "Example") -> dict[str, Any]:
    return {
        "topic": example.source.topic,
        "partition": example.source.partition,
        "offset": example.offset,
        "here": asdict(example.here),
        "there": asdict(example.there),
        "here_value": example.here_value,
        "there_value": example.there_value,
    }


@contextmanager
def _file(path: Path | None) -> "Iterator[pq.ParquetWriter | None]":
    """A Parquet file for differences, gone where the comparison fails; None for no path. Raises UsageError."""
    if path is None:
        yield None
        return
    import pyarrow.parquet as pq  # noqa: PLC0415  # heavy

    from streamlake.engine.operations.diff_tally import DIFFERENCES  # noqa: PLC0415  # heavy

    try:
        stream = path.open("xb")
    except OSError as error:
        raise UsageError(
            f"--parquet {path}: {error.strerror}: it has to be a new file in a folder that is there"
        ) from error
    try:
        with stream, pq.ParquetWriter(stream, DIFFERENCES, compression="zstd") as file:
            yield file
    except BaseException:
        path.unlink()
        raise
