"""A scriptable HTTP/1.1 proxy that breaks what passes through it, in this process (`FaultProxy`) or as one of its own.

python -m support.fault_proxy UPSTREAM [--port PORT]

(with `tests` on PYTHONPATH) prints its endpoint and runs until SIGTERM or SIGINT. POST `/_fault` adds a rule (Rule as
JSON, null for ever), GET tells rules, log and counts, DELETE forgets them; POST `/_fault/refuse` with
`{"seconds": n}` listens to nobody for so long.
"""

import argparse
import asyncio
import json
import re
import signal
import socket
import struct
import sys
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from support.faults.rules import Rule
from support.faults.wire import READ_BYTES, Message, exchange, read_body, read_head
from support.gcs.operations import Counts, parse
from support.loop_thread import LoopThread, StreamServer, close_listener

__all__ = ["FaultProxy", "Rule", "Seen", "main"]

CONTROL = "/_fault"
_CRC32C = re.compile(rb'("crc32c":\s*")([^"]{8})"')


@dataclass
class Seen:
    """One request in the log: `status` is what the server answered, `answered` what the caller got; None is nothing."""

    at_seconds: float
    method: str
    target: str
    operation: str
    fault: str | None = None
    status: int | None = None
    answered: int | None = None


class FaultProxy(StreamServer):
    """Stands before one server; its loop has a thread of its own.

        with FaultProxy(server.endpoint) as proxy:
            lost = proxy.add(Rule("lose_reply", method="POST", path="/moveTo/"))
            … proxy.endpoint …
            assert lost.hit.wait(10)

    `upstream` may be changed at any time. `log` has all requests, `counts` those that the server has seen. Callers'
    connections are kept alive; each request has its own to the server.
    """

    def __init__(self, upstream: str, port: int = 0) -> None:
        super().__init__(port)
        self.upstream = upstream
        self.rules: list[Rule] = []
        self.log: list[Seen] = []
        self.counts = Counts()
        self._began = time.monotonic()
        self._server: asyncio.Server | None = None
        self._place: socket.socket | None = None

    def add(self, rule: Rule) -> Rule:
        """From the next request on; of several rules that match, the first one takes it."""
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """Forget rules, log and counts; what a rule does already goes on."""
        self.rules.clear()
        self.log.clear()
        self.counts.clear()

    def release(self, rule: Rule) -> None:
        """End the rule's waiting: what hangs is closed, what is late is delivered."""

        async def release() -> None:
            rule.released.set()

        self._running().run(release())

    def refuse(self) -> None:
        """Close all connections and listen to nobody, until `accept`."""
        self._running().run(self._refuse())

    def accept(self) -> None:
        """Listen again, on the same port."""
        self._running().run(self._accept())

    async def _accept(self) -> None:
        if self._place is None:
            # Holds the port while nobody listens: else another proxy may be given it meanwhile.
            self._place = socket.socket()
            self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._place.bind((self.host, self.port))
            self.port = self._place.getsockname()[1]
        if self._server is None:
            self._server = await asyncio.start_server(
                self._accepted, self.host, self.port, limit=READ_BYTES, reuse_address=True
            )

    async def _listen(self) -> None:
        await self._accept()

    async def _close(self) -> None:
        await self._refuse()
        place, self._place = self._place, None
        if place is not None:
            place.close()

    async def _refuse(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await close_listener(server)
        for writer in list(self._callers):
            _end(writer, reset=True)

    async def _caller(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request by request."""
        reset = False
        try:
            while (request := await read_head(reader)) is not None:
                rule = await self._serve(request, reader, writer)
                reset = rule is not None and rule.reset
                if writer.is_closing() or rule is not None or request.header("connection").lower() == "close":
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the caller has gone, or the proxy is being stopped
        finally:
            self._callers.discard(writer)
            _end(writer, reset)

    async def _serve(self, request: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Rule | None:
        """One request; the rule that ends the connection, None where it stays."""
        method, target, _ = request.first_line.split(" ", 2)
        if request.header("expect").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if target.startswith(CONTROL):
            return await self._control(method, target, await read_body(reader, request), writer)
        call = parse(method, target, request.header("content-range"))
        seen = Seen(self._now(), method, target, call.operation)
        self.log.append(seen)
        rule = next((rule for rule in self.rules if rule.takes(method, target, self._now())), None)
        if rule is None:
            reply = await self._forward(seen, request, await read_body(reader, request))
            return await self._answer(writer, seen, reply)
        seen.fault = rule.do
        body = await read_body(reader, request, rule.at_bytes if rule.do == "tear_request" else None)
        return await self._break(rule, seen, request, body, _Caller(reader, writer))

    async def _break(self, rule: Rule, seen: Seen, request: Message, body: bytes, caller: "_Caller") -> Rule | None:
        writer = caller.writer
        works_first = rule.do in {"lose_reply", "cut_reply", "drip", "wrong_checksum"} or rule.after
        reply = await self._forward(seen, request, body) if works_first else None
        rule.hit.set()
        match rule.do:
            case "status":
                length = ("Content-Length", str(len(rule.body.encode())))
                headers = [*rule.headers.items(), length]
                made = Message(f"HTTP/1.1 {rule.status} Fault", headers, rule.body.encode())
                return await self._answer(writer, seen, made)
            case "wrong_checksum":
                return await self._answer(writer, seen, reply and _with_wrong_checksum(reply))
            case "cut_reply" if reply is not None:
                writer.write(reply.encoded()[: rule.at_bytes])
                await writer.drain()
            case "drip" if reply is not None:
                await self._drip(rule, reply.encoded(), writer)
                seen.answered = reply.status
                return None
            case "tear_request" if rule.pass_on:
                await self._forward(seen, request, body)
            case "hang":
                await caller.gone_or(rule.wait())
            case "late":
                if rule.hold:
                    await caller.gone_or(asyncio.Event().wait())
                self._spawn(self._deliver(rule, seen, request, body))
            case "refuse":
                await self._refuse()
                self._spawn(self._accept_again(rule))
        return rule

    async def _forward(self, seen: Seen, request: Message, body: bytes) -> Message | None:
        """Let the server do it; None where it did not answer."""
        upstream = urlsplit(self.upstream)
        reply = await exchange(upstream.hostname or self.host, upstream.port or 80, request, body)
        seen.status = reply.status if reply else None
        self.counts.add(seen.operation, seen.status)
        return reply

    async def _answer(self, writer: asyncio.StreamWriter, seen: Seen, reply: Message | None) -> Rule | None:
        """The reply; where there is none the connection ends, as the server's did."""
        if reply is None:
            _end(writer, reset=True)
            return None
        seen.answered = reply.status  # before it is sent: who has it may look into the log at once
        await _reply(writer, reply)
        return None

    async def _drip(self, rule: Rule, reply: bytes, writer: asyncio.StreamWriter) -> None:
        size = max(1, rule.at_bytes)
        for first in range(0, len(reply), size):
            writer.write(reply[first : first + size])
            await writer.drain()
            await rule.wait()

    async def _deliver(self, rule: Rule, seen: Seen, request: Message, body: bytes) -> None:
        await rule.wait()
        await self._forward(seen, request, body)
        rule.delivered.set()

    async def _accept_again(self, rule: Rule) -> None:
        await rule.wait()
        await self._accept()

    async def _control(self, method: str, target: str, body: bytes, writer: asyncio.StreamWriter) -> Rule | None:
        status, refuses = "200 OK", None
        document: dict[str, object]
        try:
            if target == f"{CONTROL}/refuse":
                refuses = Rule("refuse", delay_seconds=float(json.loads(body)["seconds"]))
            elif method == "POST":
                self.add(Rule.from_json(json.loads(body)))
            elif method == "DELETE":
                self.clear()
            document = {"rules": [{"do": rule.do, "hits": rule.hits} for rule in self.rules]}
            document |= {"log": [asdict(seen) for seen in self.log], "counts": self.counts.as_json()}
        except (ValueError, TypeError, KeyError) as error:
            status, document = "400 Bad Request", {"error": str(error)}
        encoded = json.dumps(document).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(encoded)))]
        await _reply(writer, Message(f"HTTP/1.1 {status}", headers, encoded))
        if refuses is not None:
            self._callers.discard(writer)  # who asked for it has its answer: not by RST, which may overtake that
            await self._refuse()
            self._spawn(self._accept_again(refuses))
        return refuses

    def _now(self) -> float:
        return round(time.monotonic() - self._began, 4)

    def _running(self) -> LoopThread:
        assert self._thread is not None, "this proxy is not running"
        return self._thread


@dataclass
class _Caller:
    """Somebody who waits for a reply."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def gone_or(self, work: Coroutine[Any, Any, object]) -> None:
        """Returns when `work` is done or the connection has ended."""
        waiting: set[asyncio.Future[object]] = {asyncio.ensure_future(work), asyncio.ensure_future(self._gone())}
        _, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()

    async def _gone(self) -> None:
        with suppress(ConnectionError):
            await self.reader.read(1)


async def _reply(writer: asyncio.StreamWriter, reply: Message) -> None:
    writer.write(reply.encoded())
    await writer.drain()


def _with_wrong_checksum(reply: Message) -> Message:
    if reply.header("content-type").startswith("application/json"):
        body = _CRC32C.sub(lambda found: found[1] + _another(found[2]) + b'"', reply.body)
    else:
        body = reply.body[:-1] + bytes([reply.body[-1] ^ 1]) if reply.body else b""
    return Message(reply.first_line, reply.headers, body)


def _another(crc32c: bytes) -> bytes:
    """A well-formed one that is not this one."""
    return (b"B" if crc32c[:1] == b"A" else b"A") + crc32c[1:]


def _end(writer: asyncio.StreamWriter, reset: bool) -> None:
    """Close after what was written has been sent, or by RST at once."""
    if not reset:
        writer.close()
        return
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def main(arguments: Sequence[str] | None = None) -> int:
    """Break things until a signal says that it is enough."""
    parser = argparse.ArgumentParser(prog="support.fault_proxy")
    parser.add_argument("upstream")
    parser.add_argument("--port", type=int, default=0)
    said = parser.parse_args(arguments)
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with FaultProxy(said.upstream, said.port) as proxy:
        print(proxy.endpoint, flush=True)
        signal.sigwait(signals)
    return 0


if __name__ == "__main__":
    sys.exit(main())
