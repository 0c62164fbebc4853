"""The file of the API keys: what `streamlake keys` makes, lists and revokes.

A key is `slk_<id>_<secret>`: the id is public and finds the entry, the secret is what is compared. The file has the
secret's sha256 alone, and a plain one is right: bcrypt and its like make guessing dear where people choose passwords. A
secret of 256 random bits can't be guessed at any speed, and a slow hash would only slow down each request.
"""

import fcntl
import hashlib
import os
import re
import secrets
import string
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import msgspec

from streamlake.engine.durable import sync_folder
from streamlake.engine.errors import ConfigError, UsageError

VERSION = 1
"""The version of the keys file that is written, and the only one that is read."""

ALL_STREAMS = "*"
NAME_CHARS_MAX = 100
KEY = re.compile(r"slk_([a-z0-9]{8})_([0-9a-f]{64})")
"""A key: its id and its secret."""

_SECRET_BYTES = 32
_ID_CHARS = 8
_ID_ALPHABET = string.ascii_lowercase + string.digits
_SHOWN_MAX = 10  # keys that a message lists
_ECHOED_CHARS_MAX = 40  # of what is no id: more may be a secret that was pasted in its place


def _text(pattern: str) -> msgspec.Meta:
    return msgspec.Meta(pattern=rf"^{pattern}\Z")


class KeyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says of one key: everything but the key.

    `sha256` is that of the secret, in hexadecimal. `streams` are names of streams, or `*` for all there will ever be.
    `created_at` is ISO 8601 in UTC, to the second.
    """

    id: Annotated[str, _text("[a-z0-9]{8}")]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARS_MAX)]
    sha256: Annotated[str, _text("[0-9a-f]{64}")]
    streams: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    created_at: Annotated[str, _text("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")]

    def may(self, stream: str) -> bool:
        """Whether the key is for this stream."""
        return stream in self.streams or ALL_STREAMS in self.streams


class _Versioned(msgspec.Struct):
    version: int


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    keys: tuple[KeyEntry, ...]


def new_key(path: Path, name: str, streams: Sequence[str]) -> tuple[str, KeyEntry]:
    """Make a key for these streams (`*`: all) and write its entry into the file, which is made where it is missing.

    The key is returned, once, and is nowhere else. Keys may share a name: the id tells them apart. Raises UsageError
    for a name or streams that can't be, ConfigError when the file is damaged or can't be written.
    """
    # Not echoed: what is too long or odd for a name may be a key.
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable() or name != name.strip() or KEY.search(name):
        why = f"must be 1 to {NAME_CHARS_MAX} printable characters without spaces around, and no key"
        raise UsageError(f"the name {why}: whose key is it?")
    if not streams or (ALL_STREAMS in streams and len(streams) > 1):
        raise UsageError(f"{', '.join(streams) or 'no stream'}: must be names of streams, or {ALL_STREAMS} alone")
    secret = secrets.token_hex(_SECRET_BYTES)
    with _to_change(path) as entries:
        taken = {entry.id for entry in entries}
        while (key_id := "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_CHARS))) in taken:
            pass
        created_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        entry = KeyEntry(key_id, name, secret_sha256(secret), tuple(dict.fromkeys(streams)), created_at)
        entries.append(entry)
    return f"slk_{key_id}_{secret}", entry


def list_keys(path: Path) -> list[KeyEntry]:
    """The entries of all keys, the oldest first; none where there is no file. Raises ConfigError when it is damaged."""
    try:
        return list(parsed_keys(path.read_bytes(), path))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(unreadable(path, error)) from None


def revoke_key(path: Path, key_id: str) -> KeyEntry:
    """Take a key's entry out of the file, and return it; the key itself may be given for its id.

    Raises UsageError when there is no such key, ConfigError when the file is damaged or can't be written.
    """
    whole = re.fullmatch(r"slk_([a-z0-9]{8})(_.*)?", key_id, re.DOTALL)
    wanted = whole[1] if whole else key_id
    _entry_of(wanted, list_keys(path), path)  # who asks for a key that is not there needs no right to write
    with _to_change(path) as entries:
        entry = _entry_of(wanted, entries, path)
        entries.remove(entry)
    return entry


@contextmanager
def _to_change(path: Path) -> Iterator[list[KeyEntry]]:
    """The entries, to be changed in the block and written after it; nothing is written when the block raises.

    Another process that changes the file waits for the lock meanwhile: flock(2)'s, which a kill -9 gives back.
    """
    path = path.resolve()  # a link stays a link, and the lock is beside the file whatever the file is called by
    try:
        # It stays there: if it were removed, who waits for it and who makes it anew would hold two locks.
        lock = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(_unwritable(path, error)) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        entries = list_keys(path)
        yield entries
        _write(path, entries)
    finally:
        os.close(lock)


def _write(path: Path, entries: Sequence[KeyEntry]) -> None:
    """Put the file there as a whole, for its owner alone, and not to be taken back by a power cut."""
    data = msgspec.json.format(msgspec.json.encode(_File(VERSION, tuple(entries))), indent=2) + b"\n"
    try:
        descriptor, name = tempfile.mkstemp(".new", f".{path.name}.", path.parent)  # made with mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                if path.exists() and (owner := path.stat().st_uid) != os.geteuid():
                    os.fchown(descriptor, owner, -1)  # root's work for the edge: its user has to go on reading it
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(_unwritable(path, error)) from None


def parsed_keys(data: bytes, path: Path) -> tuple[KeyEntry, ...]:
    """The entries in the file's bytes. Raises ConfigError, which repeats nothing of the file but its version."""
    try:
        version = msgspec.json.decode(data, type=_Versioned).version
        if version != VERSION:
            what = f"its version is {version}, and this StreamLake reads version {VERSION}"
            raise ConfigError(f"{path}: {what}: use the StreamLake that wrote it")
        entries = msgspec.json.decode(data, type=_File).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # A field's name is left out: a key that somebody wrote in by hand may stand where one is expected.
        raise ConfigError(_damaged(path, re.sub("unknown field `.*?`", "an unknown field", str(error)))) from None
    if len({entry.id for entry in entries}) < len(entries):
        raise ConfigError(_damaged(path, "two keys have the same id"))
    return entries


def _damaged(path: Path, what: str) -> str:
    return f"{path}: is no keys file: {what}; restore it, or move it away and make new keys with `streamlake keys new`"


def unreadable(path: Path, error: OSError) -> str:
    """The sentence for a file that can't be read."""
    return f"{path}: can't be read: {error.strerror}; it has to be a file of the user who runs this"


def _unwritable(path: Path, error: OSError) -> str:
    what = f"in {path.parent} a file can't be made: {error.strerror}"
    return f"{path}: can't be written: {what}; the folder has to be there and writable, and the file yours"


def _entry_of(key_id: str, entries: Sequence[KeyEntry], path: Path) -> KeyEntry:
    """The entry with this id. Raises UsageError with those that may be meant."""
    for entry in entries:
        if entry.id == key_id:
            return entry
    near = get_close_matches(key_id, [text for entry in entries for text in (entry.id, entry.name)], 3)
    found = [entry for entry in entries if {entry.id, entry.name} & set(near)]
    shown = [f"{entry.id} ({entry.name})" for entry in found or entries]
    listed = ", ".join([*shown[:_SHOWN_MAX], *(["…"] if len(shown) > _SHOWN_MAX else [])])
    hint = f"did you mean {listed}?" if found else f"there are: {listed or 'none'}"
    what = repr(key_id) if len(key_id) <= _ECHOED_CHARS_MAX else "with that id, which is too long for one"
    raise UsageError(f"{path}: there is no key {what}; {hint}")


def secret_sha256(secret: str) -> str:
    """What is kept of a secret, in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()
