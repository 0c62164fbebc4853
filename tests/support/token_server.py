"""A server that gives tokens for client credentials, as OAuth 2.0 has it; the tokens have no signature."""

import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

CLIENT, SECRET = "streamlake", "token-sesame-4711"


def _part(value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def unsigned_token(subject: str, scope: str) -> str:
    """A JWT of the algorithm `none`."""
    now = int(time.time())
    claims: dict[str, object] = {"sub": subject, "iat": now, "exp": now + 3600, "scope": scope}
    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims)}."


class _Answers(BaseHTTPRequestHandler):
    server: "TokenServer"

    def do_POST(self) -> None:
        """A token, or 401 as RFC 6749 has it."""
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.server.scopes.append(form.get("scope", [""])[0])
        given = base64.b64decode(self.headers.get("authorization", "Basic ").removeprefix("Basic ")).decode()
        if given == f"{CLIENT}:{SECRET}":
            token = unsigned_token(CLIENT, "kafka")
            self._send(200, {"access_token": token, "token_type": "bearer", "expires_in": 3600})
        else:
            self._send(401, {"error": "invalid_client", "error_description": f"not these: {given}"})

    def _send(self, status: int, answer: dict[str, object]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class TokenServer(ThreadingHTTPServer):
    """`scopes` has what was asked for, by request. A refusal repeats what it was told, as a careless one does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.scopes: list[str] = []


@contextmanager
def token_server(context: ssl.SSLContext | None = None) -> Iterator[tuple[TokenServer, str]]:
    """The server, and its URL at `localhost`."""
    server = TokenServer()
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server, f"{'https' if context else 'http'}://localhost:{server.server_port}/token"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
