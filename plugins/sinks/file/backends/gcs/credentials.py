"""A token for each request, renewed in another thread before it ends, and what goes wrong by who is to mend it.

gcsfs finds the credentials in each of Google's ways. It would renew them on the loop, where all requests wait, and
takes a server that gives no token just now for one that gives none at all.
"""

import asyncio
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import google.auth.exceptions
import google.auth.transport.requests
import structlog

from streamlake.engine.errors import StorageAccessError
from streamlake.plugins.sinks.file.backends.gcs.errors import TransientError

log = structlog.get_logger("streamlake.storage")


class Credentials:
    """Of one client; `given` is what google-auth has, None for nobody."""

    def __init__(self, given: Any, url: str, seconds_max: float) -> None:
        self._given = given
        self._url = url
        self._seconds_max = seconds_max
        self._renewing = asyncio.Lock()

    @property
    def nobody(self) -> bool:
        """Whether requests are anonymous."""
        return self._given is None

    async def put_into(self, headers: MutableMapping[str, str]) -> None:
        """Add the token. Raises TransientError when none comes just now, StorageAccessError when none will."""
        if self._given is None:
            return
        # google-auth calls a token invalid some minutes before it ends: time enough to try again.
        if not self._given.valid:
            async with self._renewing:
                if not self._given.valid:
                    await self._renewed_in_time()
        self._given.apply(headers)

    async def renew(self) -> None:
        """Get a new token: rights that were given after the old one was made may be in it. Raises as `put_into`."""
        if self._given is None:
            return
        refused = self._given.token
        async with self._renewing:
            if self._given.token == refused:  # else somebody else has got one meanwhile
                await self._renewed()

    async def _renewed_in_time(self) -> None:
        """Renew; where nobody answers, the old token does as long as it lasts."""
        try:
            await self._renewed()
        except TransientError as error:
            expiry = self._given.expiry
            if not self._given.token or expiry is None or expiry.replace(tzinfo=UTC) <= datetime.now(UTC):
                raise
            log.warning("the token could not be renewed yet, and still lasts", root=self._url, why=str(error))

    async def _renewed(self) -> None:
        request = google.auth.transport.requests.Request()
        try:
            await asyncio.wait_for(asyncio.to_thread(self._given.refresh, request), self._seconds_max)
        except TimeoutError:
            raise TransientError("credentials", "no answer from whoever gives credentials") from None
        except google.auth.exceptions.GoogleAuthError as error:
            transport = isinstance(error, google.auth.exceptions.TransportError)
            if transport or isinstance(error.__cause__, google.auth.exceptions.TransportError) or error.retryable:
                text = f"whoever gives credentials gives none just now ({type(error).__name__})"
                raise TransientError("credentials", text) from None
            raise StorageAccessError(
                f"{self._url}: whoever gives credentials refuses ours ({type(error).__name__}): is the key revoked, or "
                "the account deleted?"
            ) from None
