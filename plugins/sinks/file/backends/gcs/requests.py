"""One request to the JSON API, by gcsfs's session and credentials: sent once, and answered in the storage's words.

gcsfs's own calls repeat a request six times within half a minute, whatever it was, and tell neither how often nor why;
its errors have lost what the storage said. So of gcsfs this takes what it is good at: the session, the endpoint, and
credentials in each of Google's ways.
"""

import asyncio
import io
import os
from collections.abc import Mapping
from typing import Any

# Before the import: else it asks a gRPC service for the kind of the bucket, and hangs where there is none.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"

import aiohttp
import google.auth.exceptions
import google.auth.transport.requests
from gcsfs.core import GCSFileSystem
from gcsfs.retry import HttpError, NonRetryableError

from streamlake.engine.errors import ConfigError, StorageAccessError
from streamlake.plugins.sinks.file.backends.gcs.errors import AnsweredError, Reply, TransientError, error_of
from streamlake.plugins.sinks.file.backends.gcs.options import GcsOptions, Place

REFRESH_SECONDS_BEFORE = 300


class Requests:
    """Sends requests on fsspec's own loop and thread, which begin with the first instance in a process."""

    def __init__(self, options: GcsOptions, place: Place) -> None:
        """Raises ConfigError when there are no credentials."""
        self._seconds_max = options.request_seconds_max
        self._url = place.url("")
        try:
            self._fs = GCSFileSystem(
                token=options.token,
                endpoint_url=options.endpoint,
                requester_pays=options.billing_project or False,
                use_listings_cache=False,
                skip_instance_cache=True,
                session_kwargs={"trust_env": not options.emulated},  # a proxy is for Google, not for this machine
            )
        except (google.auth.exceptions.GoogleAuthError, ValueError, KeyError, TypeError, OSError) as error:
            raise ConfigError(
                f"sink.root: no credentials for Google Cloud Storage ({type(error).__name__}): set "
                "GOOGLE_APPLICATION_CREDENTIALS, log in with `gcloud auth application-default login`, run where a "
                "workload identity is given, or name a key file in sink.gcs.credentials"
            ) from error
        self.loop: asyncio.AbstractEventLoop = self._fs.loop

    @property
    def downloads(self) -> str:
        """Where contents come from, as gcsfs's own reads have it; names and settings are below `storage/v1/`."""
        return f"{self._fs._location}/download/storage/v1/"  # noqa: SLF001  (the endpoint)

    @property
    def uploads(self) -> str:
        """Where uploads begin."""
        return f"{self._fs._location}/upload/storage/v1/"  # noqa: SLF001  (the endpoint, as gcsfs's own uploads use it)

    async def send(
        self,
        method: str,
        path: str,
        *names: str,
        params: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        data: bytes | memoryview | None = None,
        session: bool = False,
    ) -> Reply:
        """Send one request; `names` fill the `{}` of the path. `session`: the path is an upload session's own URL.

        Raises TransientError (unknown whether it was done), AnsweredError (the storage's no) and StorageAccessError
        (without rights, also after the credentials were refreshed).
        """
        url = path if session else self._fs._format_path(path, names)  # noqa: SLF001  (quotes names as objects need it)
        request = {
            "method": method,
            "url": url,
            "params": {} if session else self._fs._get_params(dict(params or {})),  # noqa: SLF001  (adds the payer)
            "json": json,
            "allow_redirects": False,  # 308 is "go on" here
        }
        try:
            return await self._once(request, headers, data)
        except AnsweredError as error:
            if error.status not in {401, 403} or error.reason == "retentionPolicyNotMet":
                raise
        await self._refresh()
        try:
            return await self._once(request, headers, data)
        except AnsweredError as error:
            if error.status in {401, 403}:
                raise StorageAccessError(f"{self._url} refuses us: {error}") from None
            raise

    async def _once(
        self, request: Mapping[str, Any], headers: Mapping[str, str] | None, data: bytes | memoryview | None
    ) -> Reply:
        try:
            async with asyncio.timeout(self._seconds_max):
                reply = await self._answer(request, headers, data)
        except TimeoutError:
            raise TransientError("timeout", f"no answer within {self._seconds_max:g} s") from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise TransientError("connection", _short(error)) from None
        except google.auth.exceptions.TransportError as error:
            raise TransientError("credentials", f"no answer from whoever gives credentials: {_short(error)}") from None
        except (google.auth.exceptions.GoogleAuthError, HttpError, NonRetryableError) as error:
            raise StorageAccessError(f"{self._url}: the credentials are not accepted ({_short(error)})") from None
        if reply.status >= 400:
            raise error_of(reply)
        return reply

    async def _answer(
        self, request: Mapping[str, Any], headers: Mapping[str, str] | None, data: bytes | memoryview | None
    ) -> Reply:
        await self._fresh_credentials()
        session = await self._fs._set_session()  # noqa: SLF001  (there is no other way to it)
        async with session.request(
            **request,
            headers=self._fs._get_headers(headers),  # noqa: SLF001  (puts the token in)
            data=None if data is None else io.BytesIO(data),
        ) as answer:
            said = {name.lower(): ", ".join(answer.headers.getall(name)) for name in answer.headers}
            return Reply(answer.status, said, await answer.read())

    async def _fresh_credentials(self) -> None:
        """Renew a token that is about to expire in another thread: gcsfs would do it here, and all requests waited."""
        known = self._fs.credentials
        if known.credentials is not None and not known._credentials_valid(REFRESH_SECONDS_BEFORE):  # noqa: SLF001  (what gcsfs asks)
            await asyncio.to_thread(known.maybe_refresh)

    async def _refresh(self) -> None:
        """Get a new token: rights that were given after the old one was made may be in it."""
        credentials = self._fs.credentials.credentials
        if credentials is None:
            return
        try:
            request = google.auth.transport.requests.Request()
            await asyncio.wait_for(asyncio.to_thread(credentials.refresh, request), self._seconds_max)
        except (google.auth.exceptions.GoogleAuthError, TimeoutError):
            return  # the old one is asked once more, and its refusal says more than this


def _short(error: BaseException) -> str:
    """What happened, without an address: that of an upload session is as good as a password."""
    reason = getattr(error, "strerror", None)
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__
