"""Looks at a listener with Python's own TLS, to say why librdkafka does not get in: it tells no two causes apart.

An expired certificate, an unknown authority and another host's name are one and the same error there, and a listener of
another protocol shows as a closed connection. So a failure is followed by one connection of our own.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from streamlake.engine.errors import ConfigError
from streamlake.engine.kafka.own_certificate import ended_at, when
from streamlake.engine.kafka.sasl_question import Offered, offered
from streamlake.engine.kafka.security import CERTIFICATE, KEY, client_chain, pem_text

LOOK_SECONDS = 2.0
"""How long each step of a look may take."""
_EXPIRED, _NOT_YET, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64
_UNKNOWN = frozenset({2, 18, 19, 20, 21, 27})
"""Results of OpenSSL's verification: https://docs.openssl.org/3.0/man1/openssl-verification-options/"""
_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python has no name for."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A broker's address, and the properties of the client that does not get in."""

    host: str
    port: int
    properties: Mapping[str, object]

    @property
    def address(self) -> str:
        """As a user writes it."""
        return f"{self.host}:{self.port}"

    @property
    def protocol(self) -> str:
        """What the client speaks."""
        return str(self.properties.get("security.protocol", "PLAINTEXT"))


def why_not(listener: Listener) -> str | None:
    """Why a client with these properties can't talk to the listener, as a sentence; None where nothing is found.

    A wrong password is not found: nobody is signed in. Takes a few times LOOK_SECONDS at most.
    """
    try:
        if listener.protocol in {"SSL", "SASL_SSL"}:
            return _encrypted(listener)
        return _plain(listener)
    except (OSError, ConfigError, ValueError):
        return None


def _encrypted(listener: Listener) -> str | None:
    try:
        with _handshake(listener, _context(listener)) as connection:
            return _protocol(listener, offered(connection, _mechanism(listener)))
    except ssl.SSLCertVerificationError as error:
        return _server_certificate(listener, error)
    except TimeoutError:
        return None
    except OSError as error:
        return _speaks_no_tls(listener) or _own_certificate(listener, error)


def _plain(listener: Listener) -> str | None:
    try:
        with _connection(listener) as connection:
            found = offered(connection, _mechanism(listener))
    except TimeoutError:
        return None
    except OSError:
        found = None
    if found is not None:
        return _protocol(listener, found)
    try:
        with _handshake(listener, _trusting()):
            pass
    except OSError:
        return None
    wanted = "SASL_SSL" if listener.protocol == "SASL_PLAINTEXT" else "SSL or SASL_SSL"
    return f"{listener.address} speaks TLS, and kafka.security.protocol is {listener.protocol}: set it to {wanted}"


def _protocol(listener: Listener, found: Offered | None) -> str | None:
    """What is wrong with the protocol or the mechanism, where the listener has answered."""
    if found is None:
        return f"{listener.address} speaks TLS, but not as Kafka does: mend kafka.bootstrap_servers"
    encryption = "SSL" if listener.protocol.endswith("SSL") else "PLAINTEXT"
    signs_in = listener.protocol.startswith("SASL_")
    here = f"kafka.security.protocol is {listener.protocol}"
    if found.sign_in and not signs_in:
        return f"{listener.address} wants a sign-in, and {here}: set it to SASL_{encryption}, with a mechanism"
    if not found.sign_in and signs_in:
        return f"{listener.address} takes no sign-in, and {here}: set it to {encryption}"
    mechanism = _mechanism(listener)
    if signs_in and found.mechanisms and mechanism not in found.mechanisms:
        offers = ", ".join(found.mechanisms)
        return f"{listener.address} offers {offers}, and kafka.security.mechanism is {mechanism}: take one of those"
    return None


def _server_certificate(listener: Listener, error: ssl.SSLCertVerificationError) -> str:
    address, code = listener.address, error.verify_code
    if code in _UNKNOWN:
        ca = listener.properties.get("ssl.ca.location")
        trusted = f"kafka.security.ca ({ca})" if ca else "kafka.security.ca"
        if not ca and "ssl.ca.pem" not in listener.properties:
            trusted = "the system (kafka.security.ca is not set)"
        why = f"the certificate of {address} comes from an authority that {trusted} does not know"
        return f"{why}: put that authority's certificate into kafka.security.ca"
    shown = _shown_certificate(listener)
    if code in {_EXPIRED, _NOT_YET}:
        ended = code == _EXPIRED
        date = shown.get("notAfter" if ended else "notBefore")
        at = f" ({'until' if ended else 'from'} {when(date)})" if isinstance(date, str) else ""
        word = "has expired" if ended else "is not valid yet"
        return f"the certificate of {address} {word}{at}: the broker needs another one; is this machine's clock right?"
    if code in {_OTHER_NAME, _OTHER_ADDRESS}:
        names = [name for _, name in shown.get("subjectAltName", ())]
        why = f"the certificate of {address} is not for {listener.host}, but for {', '.join(names) or 'no host at all'}"
        return f"{why}: use such a name in kafka.bootstrap_servers and the broker's advertised.listeners"
    return f"the certificate of {address} can't be trusted: {error.verify_message}"


def _own_certificate(listener: Listener, error: OSError) -> str | None:
    """The listener has shown a good certificate, and ended the connection: because of ours, where it says so."""
    said = str(getattr(error, "reason", "") or "")
    if not any(word in said for word in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")):
        return None
    certificate = _text(listener, "ssl.certificate", CERTIFICATE)
    words = said.partition("ALERT_")[2].replace("_", " ").lower()
    address = listener.address
    if certificate is None:
        need = "set kafka.security.certificate and kafka.security.key"
        return f"{address} wants a certificate of this client, and none is set ({words}): {need}"
    ended = ended_at(certificate, *_key(listener))
    why = f"{address} refuses this client's certificate, kafka.security.certificate"
    if ended is not None:
        return f"{why}: it has expired (until {ended})"
    return f"{why} ({words}): take one from an authority that the broker trusts"


def _speaks_no_tls(listener: Listener) -> str | None:
    try:
        with _connection(listener) as connection:
            found = offered(connection, _mechanism(listener))
    except OSError:
        return None
    if found is None:
        return None
    wanted = "SASL_PLAINTEXT" if found.sign_in else "PLAINTEXT"
    return f"{listener.address} speaks no TLS, and kafka.security.protocol is {listener.protocol}: set it to {wanted}"


def _shown_certificate(listener: Listener) -> Mapping[str, Any]:
    """The listener's certificate, of an authority that we know, whatever its name and time."""
    context = _context(listener)
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    try:
        with _handshake(listener, context) as connection:
            return connection.getpeercert() or {}
    except OSError:
        return {}


def _context(listener: Listener) -> ssl.SSLContext:
    """As the client's properties have it."""
    properties = listener.properties
    if str(properties.get("enable.ssl.certificate.verification", "true")).lower() == "false":
        context = _trusting()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = properties.get("ssl.endpoint.identification.algorithm", "https") != "none"
        authorities = _text(listener, "ssl.ca", CERTIFICATE)
        if authorities is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cadata=authorities)
    certificate = _text(listener, "ssl.certificate", CERTIFICATE)
    if certificate is not None:
        client_chain(context, certificate, *_key(listener))
    return context


def _trusting() -> ssl.SSLContext:
    """For a look at what is there; nothing is said to whoever is there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _key(listener: Listener) -> tuple[str, str | None]:
    password = listener.properties.get("ssl.key.password")
    return _text(listener, "ssl.key", KEY) or "", None if password is None else str(password)


def _text(listener: Listener, name: str, kind: str) -> str | None:
    text, path = listener.properties.get(f"{name}.pem"), listener.properties.get(f"{name}.location")
    if text is None and path is None:
        return None
    return pem_text(SecretStr(str(text)) if text is not None else Path(str(path)), kind)


def _mechanism(listener: Listener) -> str:
    return str(listener.properties.get("sasl.mechanism", "PLAIN"))


@contextmanager
def _connection(listener: Listener) -> Iterator[socket.socket]:
    with socket.create_connection((listener.host, listener.port), LOOK_SECONDS) as connection:
        yield connection


@contextmanager
def _handshake(listener: Listener, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with _connection(listener) as plain, context.wrap_socket(plain, server_hostname=listener.host) as connection:
        yield connection
