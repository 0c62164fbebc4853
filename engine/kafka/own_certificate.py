"""When a client's own certificate ended, told by a handshake in memory: Python reads no certificate from a file."""

import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime

from streamlake.engine.kafka.security import client_chain

_PARTIAL_CHAIN_WITHOUT_TIME = 0x80000 | 0x200000
"""OpenSSL's X509_V_FLAG_PARTIAL_CHAIN and X509_V_FLAG_NO_CHECK_TIME: the certificate itself is what is trusted."""
_TURNS_MAX = 10


def ended_at(certificate: str, key: str, password: str | None) -> str | None:
    """The end of the certificate's validity (`2026-01-31T06:00:00Z`) where that is past, else None.

    Raises ssl.SSLError where certificate and key do not belong together.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context in (server, client):
        client_chain(context, certificate, key, password)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    server.verify_mode = ssl.CERT_REQUIRED
    server.verify_flags |= ssl.VerifyFlags(_PARTIAL_CHAIN_WITHOUT_TIME)
    server.load_verify_locations(cadata=certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asked = server.wrap_bio(to_server, to_client, server_side=True)
    asking = client.wrap_bio(to_client, to_server)
    for _ in range(_TURNS_MAX):
        if all([_done(asking.do_handshake), _done(asked.do_handshake)]):
            break
    shown = asked.getpeercert() or {}
    end = shown.get("notAfter")
    if not isinstance(end, str) or ssl.cert_time_to_seconds(end) > time.time():
        return None
    return when(end)


def when(moment: str) -> str:
    """A certificate's `Jan 31 06:00:00 2026 GMT` as `2026-01-31T06:00:00Z`."""
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _done(handshake: Callable[[], None]) -> bool:
    try:
        handshake()
    except ssl.SSLWantReadError:
        return False
    return True
