"""The run file: who a run is, written once, and compared by everybody who comes to the same root."""

import time
from collections.abc import Mapping
from typing import Any

import orjson

from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import ForeignRootError, LedgerDamagedError
from streamlake.engine.names import topic_folder
from streamlake.engine.records import TopicPartition
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.base import Backend, Wait, put_settled

VERSION = 1


def register(backend: Backend, identity: RunIdentity, wait: Wait = time.sleep) -> RunIdentity:
    """Write the run file if none stands there; the identity that stands there. Raises ForeignRootError."""
    path = layout.run_path(identity.run)
    for topic in identity.topic_ids:
        topic_folder(topic)
    stage = f"{layout.STAGE}/{identity.run}"
    data = backend.read(path)
    if data is None:
        data = put_settled(backend, path, _encoded(identity), stage=stage, wait=wait)
    standing = _decoded(data, path)
    _refuse_foreign(standing, identity, path)
    # Left by one that died before its link. Whoever still means to link one comes too late anyway.
    for name in backend.list(stage):
        if name.endswith(".tmp"):
            backend.delete(f"{stage}/{name}")
    return standing


def find(backend: Backend, run: str) -> RunIdentity | None:
    """The identity that stands there, or None. Raises LedgerDamagedError."""
    path = layout.run_path(run)
    data = backend.read(path)
    return None if data is None else _decoded(data, path)


def all_of(backend: Backend) -> list[RunIdentity]:
    """Every run of the root, oldest first. Raises LedgerDamagedError."""
    names = [name.removesuffix(".json") for name in backend.list(layout.RUNS) if name.endswith(".json")]
    found = [identity for name in names if (identity := find(backend, name)) is not None]
    return sorted(found, key=lambda identity: (identity.created_at, identity.run))


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
    pairs += [(f"topic id of {topic}", standing.topic_ids[topic], ours.topic_ids[topic]) for topic in sorted(shared)]
    if not shared:
        pairs.append(("topics", _listed(standing.topic_ids), _listed(ours.topic_ids)))
    differences = [f"{what} {theirs} there, {mine} here" for what, theirs, mine in pairs if theirs != mine]
    if differences:
        raise ForeignRootError(
            f"this root belongs to somebody else: {path} says {'; '.join(differences)}. "
            "Nothing was claimed. Give this pipeline a root of its own"
        )


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
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def _decoded(data: bytes, path: str) -> RunIdentity:
    try:
        fields: dict[str, Any] = orjson.loads(data)
        if fields.pop("version") != VERSION:
            raise LedgerDamagedError(f"{path} is of a version that this StreamLake does not know (it knows {VERSION})")
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
