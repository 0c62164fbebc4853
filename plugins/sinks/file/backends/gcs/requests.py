"""One request to the JSON API, over gcsfs's session: sent once, and answered in the storage's own words.

gcsfs's own calls repeat a request six times within half a minute, whatever it was, and tell neither how often nor why;
its errors have lost what the storage said. So of gcsfs this takes what it is good at: the session, the endpoint, and
how to come to credentials.
"""

import asyncio
import io
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

# Before the import: else it asks a gRPC service for the kind of the bucket, and hangs where there is none.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"

import aiohttp
import google.auth.exceptions
from gcsfs.core import GCSFileSystem

from streamlake.engine.errors import ConfigError, StorageAccessError, StorageError
from streamlake.plugins.sinks.file.backends.gcs.credentials import Credentials
from streamlake.plugins.sinks.file.backends.gcs.errors import AnsweredError, Reply, TransientError, error_of
from streamlake.plugins.sinks.file.backends.gcs.options import ANONYMOUS, DEFAULT, GcsOptions, Place

AT_ONCE = 32
"""How many requests of one process are under way at the same time; the others wait without their time running."""

GO_ON = 308
"""An upload's answer to a piece that is not its last one (cloud.google.com/storage/docs/resumable-uploads)."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Requests:
    """Sends requests on fsspec's own loop and thread, which begin with the first instance in a process."""

    def __init__(self, options: GcsOptions, place: Place) -> None:
        """Raises ConfigError or StorageError when there are no credentials."""
        self._seconds_max = options.request_seconds_max
        self._url = place.url("")
        self._payer = options.billing_project
        endpoint = options.endpoint.rstrip("/") if options.endpoint else None
        host = urlsplit(endpoint or os.environ.get("STORAGE_EMULATOR_HOST", "")).hostname
        try:
            self._fs = GCSFileSystem(
                token=options.token,
                endpoint_url=endpoint,
                use_listings_cache=False,
                skip_instance_cache=True,
                session_kwargs={"trust_env": host not in LOOPBACK},  # no proxy of the user's leads to this machine
            )
        except (google.auth.exceptions.GoogleAuthError, ValueError, KeyError, TypeError, OSError) as error:
            raise _without_credentials(options, error) from error
        self._credentials = Credentials(self._fs.credentials.credentials, self._url, self._seconds_max)
        self._places = asyncio.Semaphore(AT_ONCE)
        self.location: str = self._fs._location.rstrip("/")  # noqa: SLF001  (the endpoint, by gcsfs's own rules)
        self.loop: asyncio.AbstractEventLoop = self._fs.loop

    async def send(
        self,
        method: str,
        path: str,
        *names: str,
        params: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        data: bytes | memoryview | None = None,
    ) -> Reply:
        """Send one request; `path` begins with a slash, and `names` fill its `{}`.

        Raises TransientError (unknown whether it was done), AnsweredError (the storage's no) and StorageAccessError
        (without rights, also with a new token).
        """
        query = {name: str(value) for name, value in (params or {}).items() if value is not None}
        if self._payer is not None:
            query["userProject"] = self._payer
        request = {
            "method": method,
            "url": self.location + path.format(*(quote(name, safe="") for name in names)),
            "params": query,
            "json": json,
        }
        try:
            return await self._once(request, headers, data)
        except AnsweredError as error:
            if error.status not in {401, 403} or error.reason == "retentionPolicyNotMet":
                raise
        await self._credentials.renew()
        try:
            return await self._once(request, headers, data)
        except AnsweredError as error:
            if error.status in {401, 403}:
                raise StorageAccessError(f"{self._url} refuses us: {error}") from None
            raise

    async def send_to_session(
        self, method: str, session: str, headers: Mapping[str, str], data: bytes | memoryview
    ) -> Reply:
        """Send something to an upload that was begun; its address alone is the right to. 308 is an answer here."""
        request: dict[str, Any] = {"method": method, "url": session, "params": {}, "json": None}
        return await self._once(request, headers, data, session=True)

    def check_session(self, session: str) -> None:
        """Raise TransientError for an upload's address at somebody else's: what lands would go there."""
        if self._credentials.nobody:
            return  # servers for tests name themselves as they like
        found, ours = urlsplit(session), urlsplit(self.location)
        at_googles = (found.hostname or "").endswith(".googleapis.com") and found.scheme == "https"
        if (found.scheme, found.netloc) != (ours.scheme, ours.netloc) and not at_googles:
            raise TransientError("redirect", "an upload was to go to another host")

    async def _once(
        self,
        request: Mapping[str, Any],
        headers: Mapping[str, str] | None,
        data: bytes | memoryview | None,
        *,
        session: bool = False,
    ) -> Reply:
        given = dict(headers or {})
        if not session:
            await self._credentials.put_into(given)
        try:
            async with self._places, asyncio.timeout(self._seconds_max):
                reply = await self._answer(request, given, data)
        except TimeoutError:
            raise TransientError("timeout", f"no answer within {self._seconds_max:g} s") from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise TransientError("connection", _short(error)) from None
        if reply.status < 300 or (session and reply.status == GO_ON):
            return reply
        raise error_of(reply)

    async def _answer(
        self, request: Mapping[str, Any], headers: Mapping[str, str], data: bytes | memoryview | None
    ) -> Reply:
        session = await self._fs._set_session()  # noqa: SLF001  (there is no other way to it)
        async with session.request(
            **request,
            headers=headers,
            data=None if data is None else io.BytesIO(data),
            allow_redirects=False,  # the token and the payload go nowhere else
        ) as answer:
            said = {name.lower(): ", ".join(answer.headers.getall(name)) for name in answer.headers}
            return Reply(answer.status, said, await answer.read())


def _without_credentials(options: GcsOptions, error: Exception) -> Exception:
    """What to say; a file that was named is wrong for good, in Google's own order a server may be away."""
    kind = type(error).__name__
    if options.credentials not in (DEFAULT, ANONYMOUS):
        return ConfigError(f"sink.gcs.credentials: {options.credentials} is no key file of an account ({kind})")
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if named:
        return ConfigError(f"sink.root: no credentials, GOOGLE_APPLICATION_CREDENTIALS={named} can't be used ({kind})")
    return StorageError(
        f"sink.root: no credentials for Google Cloud Storage were found ({kind}): set GOOGLE_APPLICATION_CREDENTIALS, "
        "log in with `gcloud auth application-default login`, run where a workload identity is given, or name a key "
        "file in sink.gcs.credentials"
    )


def _short(error: BaseException) -> str:
    """What happened, without an address: that of an upload session is as good as a password."""
    reason = getattr(error, "strerror", None)
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__
