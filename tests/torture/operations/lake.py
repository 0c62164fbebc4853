"""A root as its readers and operators see it on the disk: names of files and run files, no code of the engine's."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = re.compile(r".*-(?P<partition>\d{5})-(?P<first>\d{20})-(?P<next>\d{20})\.(?P<run>[\w.-]+)\.(parquet|jsonl)")


@dataclass(frozen=True, order=True)
class Named:
    """What the name of a landed file says: it holds rows of `[first, next)` of one partition, landed by `run`."""

    partition: int
    first: int
    next: int
    run: str
    path: Path


def named(paths: Iterable[Path]) -> Iterator[Named]:
    """What the names of these files say. Raises ValueError for a name that says nothing."""
    for path in paths:
        found = NAME.fullmatch(path.name)
        if found is None:
            raise ValueError(f"{path} lies where readers look")
        yield Named(int(found["partition"]), int(found["first"]), int(found["next"]), found["run"], path)


def files_below(folder: Path) -> list[Path]:
    """All files below a folder while others move them: one listing, in which each was there at some time."""
    found: list[Path] = []
    for parent, _, names in os.walk(folder):
        found += [Path(parent, name) for name in names]
    return found


def seen_at_once(folders: Iterable[Path]) -> list[Path]:
    """The files that stood below these folders at one moment, that between the listing of all and the second look.

    A listing is not one moment: what is moved meanwhile may be in it under both names. No name is ever given again, so
    that what is still there when the listing has ended was there at its end; the others a reader can't open any more.
    """
    listed = [path for folder in folders for path in files_below(folder)]
    return [path for path in listed if path.exists()]


def overlaps(files: Iterable[Named]) -> Iterator[tuple[Named, Named]]:
    """Pairs of files that hold the same offsets. Rows and dead letters of one entry share a range, and no offset."""
    before: Named | None = None
    for file in sorted(files):
        if before is None or file.partition != before.partition:
            before = file
            continue
        of_one_entry = (file.first, file.next, file.run) == (before.first, before.next, before.run)
        if file.first < before.next and not of_one_entry:
            yield before, file
        before = max(before, file, key=lambda one: one.next)


def edges(lake: Path, topic: str, partition: int) -> list[int]:
    """Where files of a partition begin and end that readers see, ascending."""
    files = named(seen_at_once([lake / "raw" / topic, lake / "dead" / topic]))
    return sorted({edge for file in files if file.partition == partition for edge in (file.first, file.next)})


def runs_of(lake: Path) -> Mapping[str, Mapping[str, Any]]:
    """The run files by name, without those of deleted runs."""
    found = {path.stem: json.loads(path.read_bytes()) for path in (lake / "_runs").glob("*.json")}
    return {name: run for name, run in found.items() if not (lake / "_runs" / f"{name}.deleted").exists()}


def deleted_in(lake: Path) -> list[str]:
    """The names of deleted runs."""
    return sorted(path.stem for path in (lake / "_runs").glob("*.deleted"))


def standing_replays(lake: Path) -> list[str]:
    """The replays that are neither deleted nor taken over by a live generation."""
    runs = runs_of(lake)
    adopted = {run.get("adopts") for run in runs.values()}
    return sorted(name for name, run in runs.items() if run.get("output") and name not in adopted)
