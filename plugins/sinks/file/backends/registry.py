"""Which backend a root's URL means, and why every other one is refused."""

from pathlib import Path

import fsspec.config

from streamlake.engine.errors import ConfigError
from streamlake.plugins.sinks.file.backends.base import Backend
from streamlake.plugins.sinks.file.backends.local import LocalBackend
from streamlake.plugins.sinks.file.backends.memory import MemoryBackend


def backend_of(root: str, *, base_dir: Path) -> Backend:
    """The backend for a root: `file:///folder`, a plain path (a relative one starts at `base_dir`), `memory://name`.

    Raises ConfigError for anything else. Touches no storage.
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
    if protocol == "file":
        return LocalBackend(_local_root(root, rest, base_dir, is_url=bool(separator)))
    if protocol == "memory":
        return MemoryBackend(_memory_root(root, rest))
    raise ConfigError(_refusal(root, protocol))


def _local_root(root: str, rest: str, base_dir: Path, *, is_url: bool) -> Path:
    if not rest.strip():
        raise ConfigError(f"sink.root {root!r} names no folder; for instance file:///var/lib/streamlake")
    if is_url and not rest.startswith("/"):
        host = rest.partition("/")[0]
        raise ConfigError(f"sink.root {root!r}: {host!r} would be a host; file:///… has three slashes")
    return Path(base_dir.absolute(), rest)


def _memory_root(root: str, rest: str) -> str:
    if not rest.strip("/"):
        raise ConfigError(f"sink.root {root!r} names nothing; for instance memory://lake")
    return rest


def _refusal(root: str, protocol: str) -> str:
    supported = "this version lands on file:// and memory://"
    if protocol in {"gs", "gcs"}:
        return f"sink.root {root!r}: gs:// is not in this version; {supported}"
    return f"sink.root {root!r}: {protocol}:// has no proven exclusive creation and is refused; {supported}"
