"""The run file: who a run is, written once, and compared by everybody who comes to the same root."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from streamlake.engine.codes.ledger import RUN_DELETED, UNKNOWN_VERSION
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import ForeignRootError, LedgerDamagedError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.generations import DELETED
from streamlake.engine.names import topic_folder
from streamlake.engine.records import TopicPartition
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.base import Backend, Wait, put_settled, sweep

VERSION = 1

MAY_BE_EMPTY = ("output", "bounds", "reads", "adopts", "reason")
"""Fields of texts that are written only where they say something."""


def register(backend: Backend, identity: RunIdentity, wait: Wait = time.sleep) -> RunIdentity:
    """Write the run file if none stands there; the identity that stands there. Raises ForeignRootError."""
    path = layout.run_path(identity.run)
    for topic in identity.topic_ids:
        topic_folder(topic)
    stage = layout.staging_folder(identity.run)
    data = backend.read(path)
    if _is_deleted(backend, identity.run):
        raise ForeignRootError(
            f"the run {identity.run} was deleted (replay delete), and its name is used up: a worker of it that wakes "
            "up late must not meet a new run; choose another name",
            code=RUN_DELETED,
        )
    if data is None:
        data = put_settled(backend, path, _encoded(identity), stage=stage, wait=wait)
    standing = _decoded(data, path)
    _refuse_foreign(standing, identity, path)
    sweep(backend, stage)
    return standing


def settle(backend: Backend, run: str, fate: str, wait: Wait = time.sleep) -> str:
    """Decide what becomes of a run; what stands (`RunKeeper.settle`)."""
    number = 1
    while True:
        path = layout.fate_path(run, number)
        data = backend.read(path)
        if data is None:
            failpoint("before_fate")
            data = put_settled(backend, path, f"{fate}\n".encode(), stage=layout.staging_folder(run), wait=wait)
            failpoint("after_fate")
        standing = data.decode().strip()
        if standing == fate:  # also where another run has got that generation since: whoever begins it will be told
            return standing
        generation = None if standing == DELETED else find(backend, standing)
        if generation is None or generation.adopts == run:
            return standing
        number += 1


def forget(backend: Backend, run: str, wait: Wait = time.sleep) -> bool:
    """Delete what a run that has an output of its own has landed, and who it was; False where there is none.

    Its ledger stays, closed for good: it is what keeps a late writer out.
    """
    data = backend.read(layout.run_path(run))
    if data is None:
        return False
    output = _decoded(data, layout.run_path(run)).output
    assert output, "the rows of a run without an output of its own lie among others'"
    failpoint("before_forget")
    put_settled(backend, layout.deleted_path(run), b"{}\n", stage=layout.staging_folder(run), wait=wait)
    for folder in (output, layout.staging_folder(run)):
        failpoint("before_forget_folder")
        clear(backend, folder)
    backend.delete(layout.run_path(run))
    return True


def clear(backend: Backend, folder: str) -> int:
    """Delete all files below a folder, and the folders that are left empty; how many bytes that were."""
    paths = list(backend.walk(folder))
    freed = sum(stored.bytes for path in paths if (stored := backend.stored(path)) is not None)
    backend.delete_all(paths)
    _remove_folders(backend, folder)
    return freed


def _remove_folders(backend: Backend, folder: str) -> None:
    for name in backend.list(folder):
        _remove_folders(backend, f"{folder}/{name}")
    backend.remove_folder(folder)


def find(backend: Backend, run: str) -> RunIdentity | None:
    """The identity that stands there, or None. Raises LedgerDamagedError."""
    path = layout.run_path(run)
    data = backend.read(path)
    return None if data is None or _is_deleted(backend, run) else _decoded(data, path)


def all_of(backend: Backend) -> list[RunIdentity]:
    """Every run of the root that is not deleted, oldest first. Raises LedgerDamagedError."""
    listed = set(backend.list(layout.RUNS))
    names = [name.removesuffix(".json") for name in listed if name.endswith(".json")]
    paths = [layout.run_path(name) for name in sorted(names) if f"{name}.deleted" not in listed]
    read = zip(paths, backend.read_all(paths), strict=True)
    found = [_decoded(data, path) for path, data in read if data is not None]
    return sorted(found, key=lambda identity: (identity.created_at, identity.run))


def _is_deleted(backend: Backend, run: str) -> bool:
    return backend.read(layout.deleted_path(run)) is not None


def _refuse_foreign(standing: RunIdentity, ours: RunIdentity, path: str) -> None:
    """Raise ForeignRootError when `standing` is not the run we are.

    A topic that the pipeline has got since is not in the file, and fine; one that it has lost, too. Having none in
    common is another pipeline under the same name.
    """
    pairs = [
        ("pipeline", standing.pipeline, ours.pipeline),
        ("group id", standing.group_id, ours.group_id),
        ("cluster id", standing.cluster_id, ours.cluster_id),
    ]
    shared = standing.topic_ids.keys() & ours.topic_ids.keys()
    if not shared:
        pairs.append(("topics", _listed(standing.topic_ids), _listed(ours.topic_ids)))
    ids = [(f"topic id of {topic}", standing.topic_ids[topic], ours.topic_ids[topic]) for topic in sorted(shared)]
    differences, made_anew = _differences(pairs), _differences(ids)
    if not differences and not made_anew:
        return
    hint = "Give this pipeline a root of its own"
    if not differences:
        hint = (
            "If the topic was deleted and made anew, `streamlake offsets reset --recreated` goes on with the new one "
            "in a new live generation, and leaves what landed as it is; else give this pipeline a root of its own"
        )
    raise ForeignRootError(
        f"this root belongs to somebody else: {path} says {'; '.join(differences + made_anew)}. Nothing was claimed. "
        f"{hint}"
    )


def _differences(pairs: Sequence[tuple[str, str, str]]) -> list[str]:
    return [f"{what} {theirs} there, {mine} here" for what, theirs, mine in pairs if theirs != mine]


def _listed(topics: Mapping[str, str]) -> str:
    return ", ".join(sorted(topics)) or "none"


def _encoded(identity: RunIdentity) -> bytes:
    fields: dict[str, Any] = {
        "version": VERSION,
        "run": identity.run,
        "pipeline": identity.pipeline,
        "group_id": identity.group_id,
        "cluster_id": identity.cluster_id,
        "topic_ids": dict(sorted(identity.topic_ids.items())),
        "starts": _by_topic(identity.starts),
        "created_at": identity.created_at,
    }
    if identity.ends:
        fields["ends"] = _by_topic(identity.ends)
    fields |= {name: text for name in MAY_BE_EMPTY if (text := getattr(identity, name))}
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def _decoded(data: bytes, path: str) -> RunIdentity:
    try:
        fields: dict[str, Any] = orjson.loads(data)
        if fields.pop("version") != VERSION:
            raise LedgerDamagedError(
                f"{path} is of a version that this StreamLake does not know (it knows {VERSION})", code=UNKNOWN_VERSION
            )
        fields["starts"] = _by_source(fields["starts"])
        fields["ends"] = _by_source(fields.get("ends", {}))
        return RunIdentity(**fields)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise LedgerDamagedError(f"{path} is no run file ({len(data)} bytes, cut short or altered)") from error


def _by_topic(offsets: Mapping[TopicPartition, int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for source, offset in sorted(offsets.items()):
        found.setdefault(source.topic, {})[str(source.partition)] = offset
    return found


def _by_source(offsets: Mapping[str, Mapping[str, int]]) -> dict[TopicPartition, int]:
    return {
        TopicPartition(topic, int(partition)): offset
        for topic, partitions in offsets.items()
        for partition, offset in partitions.items()
    }
