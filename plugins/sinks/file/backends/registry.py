"""Which backend a root's URL means, and why every other one is refused."""

from collections.abc import Mapping
from pathlib import Path

import fsspec.config

from streamlake.engine.errors import ConfigError
from streamlake.plugins.sinks.file.backends.base import Backend
from streamlake.plugins.sinks.file.backends.gcs.options import GcsOptions, Place
from streamlake.plugins.sinks.file.backends.local import LocalBackend
from streamlake.plugins.sinks.file.backends.memory import MemoryBackend

GCS = ("gs", "gcs")


def backend_of(root: str, *, base_dir: Path, gcs: Mapping[str, object] | None = None) -> Backend:
    """The backend for a root: `file:///folder`, a plain path, `gs://bucket/prefix`, `memory://name`.

    Relative paths start at `base_dir`; `gcs` is the section of that name, for a bucket only. Raises ConfigError for
    anything else. Touches no storage.
    """
    # fsspec would take options from its own files and from FSSPEC_… variables, an endpoint for instance.
    fsspec.config.conf.clear()
    if "::" in root:
        raise ConfigError(f"sink.root {root!r}: chained URLs (`::`) can't be made atomic; give the storage itself")
    protocol, separator, rest = root.partition("://")
    if not separator:
        protocol, rest = "file", root
    if ".." in rest.split("/"):
        raise ConfigError(f"sink.root {root!r}: write the path without `..`")
    if gcs is not None and protocol not in GCS:
        raise ConfigError(f"sink.gcs: is for a root in a bucket, and sink.root is {root!r}")
    if protocol == "file":
        return LocalBackend(_local_root(root, rest, base_dir, is_url=bool(separator)))
    if protocol == "memory":
        return MemoryBackend(_memory_root(root, rest))
    if protocol in GCS:
        return _gcs_backend(root, gcs or {}, base_dir)
    raise ConfigError(_refusal(root, protocol))


def _local_root(root: str, rest: str, base_dir: Path, *, is_url: bool) -> Path:
    if not rest.strip():
        raise ConfigError(f"sink.root {root!r} names no folder; for instance file:///var/lib/streamlake")
    if is_url and not rest.startswith("/"):
        host = rest.partition("/")[0]
        raise ConfigError(f"sink.root {root!r}: {host!r} would be a host; file:///… has three slashes")
    if rest.startswith("~"):
        home = rest.partition("/")[0]
        raise ConfigError(
            f"sink.root {root!r}: {home} is a home to shells alone, and a folder of that name would be made; write "
            f"{rest.replace('~', '${HOME}', 1) if home == '~' else 'the whole path, as /home/me/lake'}"
        )
    return Path(base_dir.absolute(), rest)


def _memory_root(root: str, rest: str) -> str:
    if not rest.strip("/"):
        raise ConfigError(f"sink.root {root!r} names nothing; for instance memory://lake")
    return rest


def _gcs_backend(root: str, options: Mapping[str, object], base_dir: Path) -> Backend:
    place, parsed = Place.parse(root), GcsOptions.parse(options, base_dir)
    try:
        from streamlake.plugins.sinks.file.backends.gcs.backend import GcsBackend  # noqa: PLC0415  (an extra, and heavy)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"sink.root {root!r}: the package {error.name} is not installed; pip install 'streamlake[gcs]'"
        ) from None
    return GcsBackend(place, parsed)


def _refusal(root: str, protocol: str) -> str:
    return (
        f"sink.root {root!r}: {protocol}:// has no proven exclusive creation and is refused: where two hosts can "
        "create the same file, a record can land twice; this version lands on file://, gs:// and memory:// (what a "
        "storage has to give: streamlake.plugins.sinks.file.backends.base)"
    )
