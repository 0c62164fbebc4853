"""The API keys in a worker of the edge: which key a request presents, and whose it is."""

import hmac
import secrets
from pathlib import Path

import structlog

from streamlake.engine.errors import ConfigError
from streamlake.http_edge.keys_file import KEY, KeyEntry, parsed_keys, secret_sha256, unreadable

log = structlog.get_logger("streamlake.http.keys")

WRONG_KEY = ""
"""What is no key: `Keys.find` knows none such."""

_NOBODYS = secret_sha256(secrets.token_hex())  # what the secret for an unknown id is compared with


class Keys:
    """The keys as one process of the edge knows them. Not to be shared between threads.

    Raises ConfigError when the file is missing or damaged at the start. Later on, the last good keys stay in force:
    who wants nobody to post revokes all keys.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # The stamp comes before the bytes: a change between the two shows as another stamp next time.
        self._seen = self._stamp()
        self._unreadable = ""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            why = "there is no such file; `streamlake keys new PIPELINE.yaml --name NAME` makes it, with a first key"
            raise ConfigError(f"{path}: {why}") from None
        except OSError as error:
            raise ConfigError(unreadable(path, error)) from None
        self._by_id = {entry.id: entry for entry in parsed_keys(data, path)}

    @property
    def count(self) -> int:
        """How many there are. No `__len__`: keys of which all are revoked must never look like no keys asked for."""
        return len(self._by_id)

    def reload_if_changed(self) -> bool:
        """Read the file again if it is another one than before; True when other keys are in force now.

        Costs one stat(2) where nothing changed, and never raises: a file that is missing or damaged is logged once.
        """
        stamp = self._stamp()
        if stamp is not None and stamp == self._seen:
            return False
        try:
            data = self._path.read_bytes()
        except OSError as error:
            self._seen = None  # look again each time: what hinders may pass without a change of the file
            why = unreadable(self._path, error)
            if why != self._unreadable:
                self._unreadable = why
                self._keep(why)
            return False
        self._seen, self._unreadable = stamp, ""
        try:
            self._by_id = {entry.id: entry for entry in parsed_keys(data, self._path)}
        except ConfigError as error:
            self._keep(str(error))
            return False
        log.info("the API keys were read again", path=str(self._path), keys=self.count)
        return True

    def find(self, presented: str) -> KeyEntry | None:
        """The entry of a presented key, None where there is none; any text at all may be presented.

        What is no key, an unknown id and a wrong secret all take one sha256 and one comparison in constant time, so
        that the time says nothing about the secret, and a long text costs no more than a short one.
        """
        match = KEY.fullmatch(presented)
        key_id, secret = match.groups() if match else ("", "")
        entry = self._by_id.get(key_id)
        kept = _NOBODYS if entry is None else entry.sha256
        return entry if hmac.compare_digest(secret_sha256(secret), kept) else None

    def _stamp(self) -> tuple[int, int, int] | None:
        """What is another one when the file is; None where nothing can be said."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _keep(self, why: str) -> None:
        log.error("the API keys can't be read again; those read before stay in force", why=why, keys=self.count)


def presented_key(authorization: str | None, x_api_key: str | None) -> str | None:
    """The key that a request's headers `Authorization` and `X-API-Key` present; None when they present none.

    `Bearer` is known in any case; another scheme is a proxy's or a browser's own, and presents no key. Two different
    keys are one key too many: whichever of them were taken, somebody meant the other one. The answer is then
    WRONG_KEY, which no key is, as it is for a header without anything in it.
    """
    given = [] if x_api_key is None else [x_api_key.strip(" \t")]
    scheme, _, credentials = (authorization or "").strip(" \t").partition(" ")
    if scheme.lower() == "bearer":
        given.append(credentials.strip(" \t"))
    if not given:
        return None
    return given[0] if given[0] == given[-1] else WRONG_KEY
