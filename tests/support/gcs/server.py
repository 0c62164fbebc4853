"""A Google Cloud Storage of the tests' own: the JSON API as Google documents it, over HTTP, on loopback.

It holds what fake-gcs-server does not: preconditions everywhere, the atomic move, resumable uploads that survive
repeated and torn chunks, rules of buckets, permissions. https://cloud.google.com/storage/docs/json_api/v1
"""

import asyncio
import json
from collections.abc import Collection, Sequence
from pathlib import Path

from aiohttp import web
from support.gcs.access import Rules, check_token
from support.gcs.blobs import new_blobs
from support.gcs.errors import GcsError
from support.gcs.journal import FolderJournal, Journal, TreeJournal
from support.gcs.objects import Bucket
from support.gcs.operations import Counts, parse
from support.gcs.requests import JSON_TYPE, Asked, Requests
from support.loop_thread import LoopServer, close_listener

READ_BYTES = 2**20
"""What a connection reads ahead: with the default of 64 KiB a client of 16 MiB chunks waits a lot."""

CONTROL = "/_gcs/"
SESSION_OPERATIONS = frozenset({"objects.insert.chunk", "objects.insert.status", "objects.insert.cancel"})
"""A session's address is itself the proof that one may use it: no token is asked for."""


class GcsServer(LoopServer):
    """One server, its loop in a thread of its own.

        with GcsServer() as server:
            server.endpoint                                      # http://127.0.0.1:PORT
            server.bucket("streamlake").rules = Rules(versioning=True)
            server.counts.class_a

    `port` 0 is a free one. `tree` shows all objects as files (of one bucket: their names are its paths). `folder` keeps
    the objects in files, for a next server on it; sessions of uploads end with
    the server. `discard` forgets the bytes of objects above 256 KiB (benchmarks). `tokens`: the valid bearer tokens,
    None asks for none; may be changed at any time.

    From other processes: GET `/_gcs/counts`, DELETE `/_gcs/counts`, PUT `/_gcs/rules/BUCKET` with Rules as JSON;
    `/_internal/healthcheck` as fake-gcs-server has it.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        folder: Path | None = None,
        tree: Path | None = None,
        discard: bool = False,
        tokens: Collection[str] | None = None,
        buckets: Sequence[str] = ("streamlake",),
    ) -> None:
        super().__init__(port)
        self.tokens = tokens
        self.counts = Counts()
        self._folder, self._tree, self._discard = folder, tree, discard
        self._buckets: dict[str, Bucket] = {}
        self._requests = Requests(self._buckets, self.make_bucket)
        for name in buckets:
            self.make_bucket(name)
        self._handler: web.Server | None = None
        self._server: asyncio.Server | None = None

    def bucket(self, name: str = "streamlake") -> Bucket:
        """A bucket that is there: to set its rules and to look into it. KeyError otherwise."""
        return self._buckets[name]

    def make_bucket(self, name: str) -> Bucket:
        """A new bucket; with a folder, what it held last time is in it."""
        journal = Journal() if self._folder is None else FolderJournal(self._folder / name)
        if self._tree is not None:
            journal = TreeJournal(self._tree)
        blobs = journal.blobs if isinstance(journal, FolderJournal) else None
        self._buckets[name] = Bucket(name, new_blobs(blobs, self._discard), journal)
        return self._buckets[name]

    async def _listen(self) -> None:
        self._handler = web.Server(self._handle, access_log=None, read_bufsize=READ_BYTES)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._handler, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            await close_listener(self._server)
            self._abort_all()

    def _abort_all(self) -> None:
        for connection in self._handler.connections if self._handler is not None else ():
            connection.force_close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path.startswith((CONTROL, "/_internal/")):
            return await self._control(request)
        call = parse(request.method, request.raw_path, request.headers.get("Content-Range", ""))
        status: int | None = None
        try:
            if call.operation not in SESSION_OPERATIONS:
                check_token(self.tokens, request.headers.get("Authorization"))
            reply = await self._requests.answer(Asked(request, call))
            status = reply.status
        except GcsError as error:
            status = error.status
            headers = {"Content-Type": error.content_type, **error.headers}
            reply = web.Response(status=error.status, body=error.body(), headers=headers)
        except ConnectionError:  # its sender is gone, in the middle of a body
            reply = web.Response(status=400)
        finally:
            self.counts.add(call.operation, status)
        return reply

    async def _control(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path
        if path == "/_gcs/counts" and request.method == "DELETE":
            self.counts.clear()
        elif path.startswith("/_gcs/rules/") and request.method == "PUT":
            self.bucket(path.rpartition("/")[2]).rules = Rules.from_json(await request.json())
        document = json.dumps(self.counts.as_json()).encode()
        return web.Response(body=document, headers={"Content-Type": JSON_TYPE})
