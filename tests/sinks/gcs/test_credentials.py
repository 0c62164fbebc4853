"""Who we are: a key file, Google's own order, nobody; a token that is not accepted any more is renewed once."""

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sinks.gcs.conftest import MakeBackend
from support.gcs_server import GcsServer

from streamlake.engine.errors import ConfigError, StorageAccessError, StorageError
from streamlake.plugins.sinks.file.backends.base import Backend

TOKENS = ("token-one", "token-two", "token-three")


class TokenServer(http.server.ThreadingHTTPServer):
    """Gives one token after the other, the last one again and again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), TokenHandler)
        self.given: list[str] = []
        self.away = False

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/token"


class TokenHandler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, TokenServer)
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.away:
            self.send_error(503)
            return
        given = self.server.given
        given.append(TOKENS[min(len(given), len(TOKENS) - 1)])
        body = json.dumps({"access_token": given[-1], "expires_in": 3600, "token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is said."""


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def key_file(tokens: TokenServer, tmp_path: Path) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    file = tmp_path / "key.json"
    file.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "p",
                "private_key_id": "1",
                "private_key": pem,
                "client_email": "streamlake@tests.iam.gserviceaccount.com",
                "client_id": "1",
                "token_uri": tokens.uri,
            }
        )
    )
    return file


def test_a_key_file_is_used(make_backend: MakeBackend, server: GcsServer, key_file: Path) -> None:
    server.tokens = {"token-one"}
    assert list(make_backend(credentials=str(key_file)).probe()) == []


def test_googles_own_order_is_used_where_nothing_is_said(
    make_backend: MakeBackend, server: GcsServer, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
    server.tokens = {"token-one"}
    # As on Google: an endpoint of the tests' own would be taken for a server that asks for none.
    monkeypatch.setattr("gcsfs.core._location", lambda *_: server.endpoint)
    assert list(make_backend(credentials=None, endpoint=None).probe()) == []


def test_a_token_that_is_refused_is_renewed_once_and_all_goes_on(
    make_backend: MakeBackend, server: GcsServer, key_file: Path, tokens: TokenServer
) -> None:
    server.tokens = {"token-one"}
    backend = make_backend(credentials=str(key_file))
    assert backend.put_if_absent("_ledger/0.json", b"entry", stage="")
    server.tokens = {"token-two"}
    assert backend.read("_ledger/0.json") == b"entry"
    assert tokens.given == ["token-one", "token-two"]


def test_a_token_that_is_refused_again_ends_it_without_any_secret_in_the_words(
    make_backend: MakeBackend, server: GcsServer, key_file: Path, tokens: TokenServer
) -> None:
    server.tokens = {"another"}
    backend = make_backend(credentials=str(key_file))
    with pytest.raises(StorageAccessError, match="401") as raised:
        backend.read("_ledger/0.json")
    assert len(tokens.given) == 2
    for secret in (*TOKENS, "PRIVATE KEY", tokens.uri):
        assert secret not in str(raised.value)


def ends_in(backend: Backend, seconds: int) -> None:
    """Let the token's time be nearly over, or past."""
    given = backend._requests._credentials._given  # type: ignore[attr-defined]  # a bucket's
    given.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=seconds)


def test_a_token_that_can_not_be_renewed_yet_is_used_as_long_as_it_lasts(
    make_backend: MakeBackend, server: GcsServer, key_file: Path, tokens: TokenServer
) -> None:
    server.tokens = {"token-one", "token-two"}
    backend = make_backend(credentials=str(key_file), request_seconds_max=10)
    assert backend.put_if_absent("_ledger/0.json", b"entry", stage="")
    tokens.away = True
    ends_in(backend, 100)
    assert backend.read("_ledger/0.json") == b"entry"
    tokens.away = False
    assert backend.read("_ledger/0.json") == b"entry"
    assert tokens.given == ["token-one", "token-two"]


def test_whoever_gives_tokens_may_be_away_for_a_while_and_nobody_is_parked_for_it(
    make_backend: MakeBackend, server: GcsServer, key_file: Path, tokens: TokenServer
) -> None:
    server.tokens = {"token-one", "token-two"}
    backend = make_backend(credentials=str(key_file), request_seconds_max=10)
    waits: list[str | None] = []

    def told(reason: str | None) -> None:
        waits.append(reason)
        tokens.away = False

    backend.serve(lambda: None, told)
    assert backend.put_if_absent("_ledger/0.json", b"entry", stage="")
    tokens.away = True
    ends_in(backend, -1)
    assert backend.read("_ledger/0.json") == b"entry"
    assert waits[0] == "credentials"
    assert waits[-1] is None


def test_nobody_is_refused_where_somebody_is_asked_for(make_backend: MakeBackend, server: GcsServer) -> None:
    server.tokens = {"token-one"}
    with pytest.raises(StorageAccessError, match="401"):
        make_backend().read("_ledger/0.json")


def test_without_any_credentials_it_is_said_how_to_get_some(
    make_backend: MakeBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    backend = make_backend(credentials=None, endpoint=None)
    # Not an error of the YAML: a machine that gives an identity may be away.
    with pytest.raises(StorageError, match=r"no credentials .*GOOGLE_APPLICATION_CREDENTIALS.*sink\.gcs\.credentials"):
        backend.read("_ledger/0.json")


@pytest.mark.parametrize("content", ["", "{}", '{"type": "service_account"}', "not json"])
def test_a_key_file_that_is_none_is_said(make_backend: MakeBackend, tmp_path: Path, content: str) -> None:
    file = tmp_path / "key.json"
    file.write_text(content)
    with pytest.raises(ConfigError, match="is no key file of an account"):
        make_backend(credentials=str(file)).read("_ledger/0.json")
