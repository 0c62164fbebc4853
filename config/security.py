"""The `kafka.security:` section of a pipeline's YAML: encryption, and who the clients are."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from streamlake.config.section import Section
from streamlake.config.values import Pem, Secret, SeveralProblemsError

PASSWORD_MECHANISMS = frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})
_OF_SASL = ("mechanism", "username", "password", "oauth")
_OF_TLS = ("ca", "certificate", "key", "key_password")


def _http_address(value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise ValueError("must begin with https:// (or http://, inside one machine)")
    return value


class OAuthSettings(Section):
    """Where tokens come from: OAuth 2.0's client credentials, asked for and renewed by librdkafka itself."""

    token_url: Annotated[str, AfterValidator(_http_address)] = Field(
        description="The https:// address that gives tokens for client credentials. Change it when the identity "
        "provider moves."
    )
    client_id: str = Field(description="The client's id there. Change it to a client of the pipeline's own.")
    client_secret: Secret = Field(
        description="The client's secret there; from ${VARIABLE} or ${file:PATH}. Change it when it is renewed there, "
        "and start again: a running engine keeps the old one."
    )
    scope: str | None = Field(
        default=None,
        description="The scope to ask for, where the server wants one. Default: none. Change it to what the server "
        "asks for.",
    )
    ca: Pem | None = Field(
        default=None,
        description="Certificates to trust for `token_url` (PEM): a path relative to this file, or the text itself. "
        "Default: the system's. Change it where the token server's certificate comes from an authority of your own.",
    )


class SecuritySettings(Section):
    """How the clients sign in and whether the connection is encrypted. Left out = PLAINTEXT, no sign-in."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT",
        description="Encryption and sign-in. Default: PLAINTEXT, neither. Change it to SASL_SSL or SSL on any network "
        "that others use; SASL_PLAINTEXT shows passwords to it.",
    )
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"] | None = Field(
        default=None,
        description="The SASL mechanism; needed with SASL_PLAINTEXT and SASL_SSL. Default: none. Change it to what "
        "the brokers offer; of those SCRAM-SHA-512 before PLAIN.",
    )
    username: str | None = Field(
        default=None,
        description="The user name for PLAIN and SCRAM. Default: none. Change it to a user of the pipeline's own, "
        "with rights on its topics and group alone.",
    )
    password: Secret | None = Field(
        default=None,
        description="The password for PLAIN and SCRAM; from ${VARIABLE} or ${file:PATH}. Default: none. Change it "
        "when the user's password does, and start again: a running engine keeps the old one.",
    )
    oauth: OAuthSettings | None = Field(default=None, description="Where tokens for OAUTHBEARER come from.")
    ca: Pem | None = Field(
        default=None,
        description="The certificates to trust (PEM): a path relative to this file, or the text itself. Default: the "
        "system's. Change it where the brokers' certificates come from an authority of your own.",
    )
    certificate: Pem | None = Field(
        default=None,
        description="This client's own certificate and those between it and its authority (PEM): a path relative to "
        "this file, or the text itself. Default: none. Change it where the brokers ask clients for certificates "
        "(mutual TLS).",
    )
    key: Pem | None = Field(
        default=None,
        description="The key to `certificate` (PEM): a path relative to this file, or the text itself, from "
        "${VARIABLE} or ${file:PATH}. Default: none. Change it together with `certificate`.",
    )
    key_password: Secret | None = Field(
        default=None,
        description="What opens `key`, where it is encrypted. Default: none. Change it where the key's file is "
        "encrypted.",
    )

    @model_validator(mode="after")
    def _belongs_together(self) -> "SecuritySettings":
        problems = [*self._sasl_problems(), *self._tls_problems()]
        if problems:
            raise SeveralProblemsError(*problems)
        return self

    def _sasl_problems(self) -> list[tuple[tuple[str], str]]:
        if not self.protocol.startswith("SASL_"):
            return self._unused(_OF_SASL, f"is used by SASL only, and protocol is {self.protocol}")
        if self.mechanism is None:
            return [(("mechanism",), f"is missing: protocol {self.protocol} needs one (SCRAM-SHA-512, PLAIN, …)")]
        if self.mechanism not in PASSWORD_MECHANISMS:
            why = f"is used by PLAIN and SCRAM only, and mechanism is {self.mechanism}"
            problems = self._unused(("username", "password"), why)
        else:
            absent = [name for name in ("username", "password") if getattr(self, name) is None]
            problems = [((name,), f"is missing: mechanism {self.mechanism} needs it") for name in absent]
        if self.mechanism != "OAUTHBEARER":
            problems += self._unused(("oauth",), f"is used by OAUTHBEARER only, and mechanism is {self.mechanism}")
        return problems

    def _tls_problems(self) -> list[tuple[tuple[str], str]]:
        if self.protocol not in {"SSL", "SASL_SSL"}:
            return self._unused(_OF_TLS, f"is used by SSL only, and protocol is {self.protocol}")
        if (self.certificate is None) != (self.key is None):
            absent = "certificate" if self.certificate is None else "key"
            return [((absent,), "is missing: certificate and key come together")]
        if self.key is None:
            return self._unused(("key_password",), "is not used: there is no key")
        return []

    def _unused(self, names: tuple[str, ...], why: str) -> list[tuple[tuple[str], str]]:
        return [((name,), why) for name in names if getattr(self, name) is not None]
