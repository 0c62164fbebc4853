"""A ledger that is not what was written: the partition is not touched, and the log says what is wrong and where."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.account import Account, entry_paths, tree_of
from support.engine import streamlake
from support.scene import MakeScene, orders

Damage = Callable[[list[Path]], Path]
"""Damages one of the entries; the path that a reader has to be told."""


def cut_short(paths: list[Path]) -> Path:
    paths[-1].chmod(0o644)
    paths[-1].write_bytes(paths[-1].read_bytes()[:100])
    return paths[-1]


def altered(paths: list[Path]) -> Path:
    entry = json.loads(paths[2].read_bytes())
    entry["writer"] = "somebody else"
    paths[2].chmod(0o644)
    paths[2].write_bytes(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
    return paths[2]


def missing_in_the_middle(paths: list[Path]) -> Path:
    paths[2].unlink()
    return paths[2]


@pytest.mark.parametrize("damage", [cut_short, altered, missing_in_the_middle])
def test_a_damaged_ledger_parks_its_partition_and_says_where(make_scene: MakeScene, damage: Damage) -> None:
    scene = make_scene(partitions=2)
    for partition in (0, 1):
        scene.produce(orders(250), partition)
    scene.run()
    paths = entry_paths(scene.lake, scene.topic, 0)
    assert len(paths) >= 4
    whole = {path: path.read_bytes() for path in paths}
    place = str(damage(paths).relative_to(scene.lake))
    before = tree_of(paths[0].parent)

    for partition in (0, 1):
        scene.produce(orders(100, first=250), partition)
    engine = scene.run(code=1)
    (parked,) = engine.events("parked")
    assert parked["partition"] == f"{scene.topic}/0"
    assert place in parked["why"], parked
    assert tree_of(paths[0].parent) == before, "nothing was claimed"
    assert len(Account.of(scene.lake, scene.topic, 1).times) == 350, "the other one goes on"
    failed = streamlake("prove", str(scene.pipeline))
    assert failed.returncode == 1
    assert place in failed.stdout, failed.stdout

    for path, data in whole.items():
        path.unlink(missing_ok=True)
        path.write_bytes(data)
    scene.run()
    scene.check()
