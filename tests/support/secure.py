"""A Kafka with a listener for each way of signing in, and the certificates, accounts and rights that they know."""

import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trustme
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs forget them
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from support.scene import Scene, make_scene_in

from streamlake.engine.local.broker import Listener
from streamlake.engine.local.kafka import LocalKafka
from streamlake.engine.local.ports import free_ports

LANDER, PASSWORD = "streamlake", "open-sesame-4711"
"""Who may do everything that a pipeline does: by PLAIN, SCRAM, a token and a certificate."""
KEY_PASSWORD = "key-sesame-4711"
PROTOCOLS = {
    "SIGNED": "SASL_PLAINTEXT",
    "BRIEF": "SASL_PLAINTEXT",
    "SECURE": "SASL_SSL",
    "TLS": "SSL",
    "MUTUAL": "SSL",
    "EXPIRED": "SSL",
    "OTHER": "SSL",
}
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_TOKENS = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
_MANY_ITERATIONS = 4096
Times = tuple[datetime | None, datetime | None]
NOW: Times = (None, None)
OVER: Times = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, 6, tzinfo=UTC))
"""From when until when a certificate is valid."""


class Certificates:
    """Files below a folder: authorities, and certificates of brokers and clients that they gave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority, self.stranger = trustme.CA(), trustme.CA()
        self.ca, self.strange_ca = folder / "ca.pem", folder / "strange-ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self.stranger.cert_pem.write_to_path(self.strange_ca)

    def broker(self, name: str, host: str, times: Times = NOW) -> Path:
        """Key and certificates in one file, as Kafka takes them."""
        issued = self.authority.issue_cert(host, not_before=times[0], not_after=times[1])
        path = self.folder / f"{name}.pem"
        path.write_bytes(_pkcs8(issued) + b"".join(part.bytes() for part in issued.cert_chain_pems))
        return path

    def server_context(self) -> ssl.SSLContext:
        """For a server of a test's own at `localhost`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("localhost").configure_cert(context)
        return context

    def client(
        self, name: str, times: Times = NOW, *, of: trustme.CA | None = None, password: str | None = None
    ) -> Path:
        """`<name>.crt` and `<name>.key`; the path of the first."""
        who = {"common_name": name.partition("-")[0], "not_before": times[0], "not_after": times[1]}
        issued = (of or self.authority).issue_cert(f"{name}@example.org", **who)  # type: ignore[arg-type]  # by name
        path = self.folder / f"{name}.crt"
        path.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        path.with_suffix(".key").write_bytes(_pkcs8(issued, password))
        return path


@dataclass(frozen=True)
class SecureKafka:
    """One broker for all tests; topics, users and rights are made over its PLAINTEXT listener, where all is allowed."""

    bootstrap_servers: str
    listeners: Mapping[str, Listener]
    certificates: Certificates

    def at(self, name: str) -> str:
        """The address of a listener."""
        return self.listeners[name].address

    def add_user(self, user: str, password: str) -> None:
        """An account of both SCRAM mechanisms."""
        wanted: list[UserScramCredentialAlteration] = [
            UserScramCredentialUpsertion(user, ScramCredentialInfo(mechanism, _MANY_ITERATIONS), password.encode())
            for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
        ]
        with AdminClient({"bootstrap.servers": self.bootstrap_servers}) as admin:
            for one in wanted:  # of one user, one a request
                for future in admin.alter_user_scram_credentials([one]).values():
                    future.result(30)

    def allow(self, user: str, rights: Iterable[tuple[str, str, str]]) -> None:
        """Rights as `("TOPIC", "orders", "READ")`; the name `*` is any."""
        rules = [
            AclBinding(
                ResourceType[kind],
                name,
                ResourcePatternType.LITERAL,
                f"User:{user}",
                "*",
                AclOperation[operation],
                AclPermissionType.ALLOW,
            )
            for kind, name, operation in rights
        ]
        with AdminClient({"bootstrap.servers": self.bootstrap_servers}) as admin:
            for future in admin.create_acls(rules).values():
                future.result(30)


@contextmanager
def secure_kafka(folder: Path) -> Iterator[SecureKafka]:
    """Start it, with the user LANDER."""
    made = Certificates(folder)
    ports = free_ports(len(PROTOCOLS))
    listeners = {
        name: Listener(name, protocol, port) for (name, protocol), port in zip(PROTOCOLS.items(), ports, strict=True)
    }
    with LocalKafka(properties=_properties(made), listeners=list(listeners.values())) as kafka:
        secure = SecureKafka(kafka.bootstrap_servers, listeners, made)
        secure.add_user(LANDER, PASSWORD)
        secure.allow(LANDER, [("TOPIC", "*", "ALL"), ("GROUP", "*", "ALL")])
        yield secure


def _properties(made: Certificates) -> dict[str, str]:
    good = made.broker("good", "localhost")
    stores = {
        "secure": good,
        "tls": good,
        "mutual": good,
        "expired": made.broker("expired", "localhost", OVER),
        "other": made.broker("other", "kafka.example.org"),
    }
    found: dict[str, str] = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/,DEFAULT",
        "connections.max.reauth.ms": "0",
    }
    for name, path in stores.items():
        found[f"listener.name.{name}.ssl.keystore.type"] = "PEM"
        found[f"listener.name.{name}.ssl.keystore.location"] = str(path)
    found |= {
        "listener.name.mutual.ssl.truststore.type": "PEM",
        "listener.name.mutual.ssl.truststore.location": str(made.ca),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.signed.sasl.enabled.mechanisms": "SCRAM-SHA-256",
        "listener.name.signed.scram-sha-256.sasl.jaas.config": f"{_SCRAM} required;",
        # A sign-in is good for so long: a client has to sign in again while it runs.
        "listener.name.brief.sasl.enabled.mechanisms": "SCRAM-SHA-256",
        "listener.name.brief.scram-sha-256.sasl.jaas.config": f"{_SCRAM} required;",
        "listener.name.brief.scram-sha-256.connections.max.reauth.ms": "1500",
        "listener.name.secure.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        "listener.name.secure.plain.sasl.jaas.config": f'{_PLAIN} required user_{LANDER}="{PASSWORD}";',
        "listener.name.secure.scram-sha-256.sasl.jaas.config": f"{_SCRAM} required;",
        "listener.name.secure.scram-sha-512.sasl.jaas.config": f"{_SCRAM} required;",
        # Tokens without a signature are taken: what is tested is how they are got.
        "listener.name.secure.oauthbearer.sasl.jaas.config": f'{_TOKENS} required unsecuredLoginStringClaim_sub="x";',
    }
    return found


def security(kafka: SecureKafka, protocol: str = "SASL_SSL", **settings: Any) -> dict[str, Any]:
    """`kafka.security` for LANDER by SCRAM-SHA-512, or as `settings` have it; None takes one out."""
    found: dict[str, Any] = {"protocol": protocol}
    if protocol.startswith("SASL_"):
        found |= {"mechanism": "SCRAM-SHA-512", "username": LANDER, "password": PASSWORD}
    if protocol.endswith("SSL"):
        found["ca"] = str(kafka.certificates.ca)
    return {name: value for name, value in (found | settings).items() if value is not None}


MakeSecureScene = Callable[..., Scene]


def secure_scene_in(kafka: SecureKafka, folder: Path, listener: str = "SECURE", **settings: Any) -> Scene:
    """A scene whose pipeline comes in by a listener, with `security(…)` by `settings`."""
    protocol = settings.pop("protocol", kafka.listeners[listener].protocol)
    return make_scene_in(folder, kafka.bootstrap_servers)(
        kafka__bootstrap_servers=kafka.at(listener), kafka__security=security(kafka, protocol, **settings)
    )


def _pkcs8(issued: trustme.LeafCert, password: str | None = None) -> bytes:
    """The only form of a key that Kafka and an encrypted file have in common."""
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
