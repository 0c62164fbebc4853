"""`kafka.security` as librdkafka's properties; certificates and keys are looked at before a client is made of them."""

import contextlib
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr

from streamlake.config.security import SecuritySettings
from streamlake.engine.errors import ConfigError

HERE = "kafka.security"
CERTIFICATE, KEY = "CERTIFICATE", "PRIVATE KEY"
_AS_PEM = {
    CERTIFICATE: "`openssl x509 -inform der -in FILE -out FILE.pem` makes it of a DER file",
    KEY: "`openssl pkey -inform der -in FILE -out FILE.pem` makes it of a DER file",
}


def security_properties(security: SecuritySettings) -> dict[str, object]:
    """What every client of the pipeline is given. Raises ConfigError naming each certificate or key that won't do."""
    check_certificates(security)
    oauth = security.oauth
    found: dict[str, object | None] = {
        "security.protocol": security.protocol,
        "sasl.mechanism": security.mechanism,
        "sasl.username": security.username,
        "sasl.password": _plain(security.password),
        **_pem("ssl.ca", security.ca),
        **_pem("ssl.certificate", security.certificate),
        **_pem("ssl.key", security.key),
        "ssl.key.password": _plain(security.key_password),
    }
    if oauth is not None:
        found |= {
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.token.endpoint.url": oauth.token_url,
            "sasl.oauthbearer.client.id": oauth.client_id,
            "sasl.oauthbearer.client.secret": _plain(oauth.client_secret),
            "sasl.oauthbearer.scope": oauth.scope,
            # librdkafka's wheels look where one distribution has its certificates; `probe` looks where each has them.
            **(_pem("https.ca", oauth.ca) or {"https.ca.location": "probe"}),
        }
    return {name: value for name, value in found.items() if value is not None}


def check_certificates(security: SecuritySettings) -> None:
    """Raises ConfigError where a file can't be read, is no PEM, or a key does not fit; asks nobody."""
    wanted = [("ca", security.ca, CERTIFICATE), ("certificate", security.certificate, CERTIFICATE)]
    wanted.append(("key", security.key, KEY))
    if security.oauth is not None:
        wanted.append(("oauth.ca", security.oauth.ca, CERTIFICATE))
    texts: dict[str, str] = {}
    problems: list[str] = []
    for name, source, kind in wanted:
        if source is None:
            continue
        try:
            texts[name] = pem_text(source, kind)
        except ConfigError as error:
            problems += [f"{HERE}.{name}: {problem}" for problem in error.problems]
    for name in {"ca", "oauth.ca"} & texts.keys():
        if problem := _damage(texts[name]):
            problems.append(f"{HERE}.{name}: {_named(security, name)}{problem}")
    if not problems and "key" in texts:
        problems += _key_problems(security, texts)
    if problems:
        raise ConfigError(*problems)


def pem_text(source: Path | SecretStr, kind: str) -> str:
    """The PEM text of a setting, read where it is a path. Raises ConfigError where that is none of this kind."""
    if isinstance(source, SecretStr):
        where, text = "the text", source.get_secret_value()
    else:
        where = f"the file {source}"
        try:
            text = source.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise ConfigError(f"{where} can't be read: {error.strerror}") from None
    if f"{kind}-----" not in text:
        begin = "-----BEGIN CERTIFICATE-----" if kind is CERTIFICATE else "-----BEGIN … PRIVATE KEY-----"
        what = "certificate" if kind is CERTIFICATE else "private key"
        raise ConfigError(f"{where} holds no {what} in PEM ({begin}): {_AS_PEM[kind]}")
    return text


def client_chain(context: ssl.SSLContext, certificate: str, key: str, password: str | None) -> None:
    """Load a client's certificate and key from their texts. Raises ssl.SSLError as OpenSSL does."""
    # Without a function for the password, OpenSSL would ask for it on the terminal.
    with _as_file(certificate) as certificate_path, _as_file(key) as key_path:
        context.load_cert_chain(certificate_path, key_path, password=lambda: password or "-")


def _key_problems(security: SecuritySettings, texts: dict[str, str]) -> list[str]:
    encrypted = "ENCRYPTED" in texts["key"]
    if encrypted and security.key_password is None:
        return [f"{HERE}.key_password: is missing: {_named(security, 'key')} is encrypted"]
    try:
        client_chain(
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), texts["certificate"], texts["key"], _plain(security.key_password)
        )
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            both = f"{_named(security, 'key')} does not belong to {_named(security, 'certificate')}"
            return [f"{HERE}.key: {both}: give the key that it was made for"]
        if _damage(texts["certificate"]):
            return [f"{HERE}.certificate: {_named(security, 'certificate')}{_damage(texts['certificate'])}"]
        if encrypted:
            return [f"{HERE}.key_password: does not open {_named(security, 'key')}"]
        return [f"{HERE}.key: {_named(security, 'key')} is damaged: OpenSSL can't load it"]
    return []


def _damage(certificates: str) -> str | None:
    """What is wrong with the text of certificates; None where OpenSSL loads them."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=certificates)
    except ssl.SSLError:
        return " is damaged: OpenSSL can't load its certificates"
    return None


def _named(security: SecuritySettings, name: str) -> str:
    source = security.oauth.ca if name == "oauth.ca" and security.oauth else getattr(security, name, None)
    what = {"certificate": "the certificate", "key": "the key"}.get(name)
    return f"{what or 'the file'} {source}" if isinstance(source, Path) else f"{what or 'the PEM text'} of the YAML"


def _pem(name: str, source: Path | SecretStr | None) -> dict[str, object | None]:
    if source is None:
        return {}
    return {f"{name}.location": str(source)} if isinstance(source, Path) else {f"{name}.pem": _plain(source)}


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


@contextlib.contextmanager
def _as_file(text: str) -> Iterator[str]:
    """A path to the text in memory: OpenSSL takes keys from files alone, and no key shall lie on a disk for that."""
    number = os.memfd_create("pem")
    try:
        os.write(number, text.encode())
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)
