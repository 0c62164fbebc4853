"""What a client of librdkafka has heard in passing, and the sentence that is made of it: the one place of error_cb.

A refused sign-in or a broken TLS handshake is told to no caller: each question only ends in a time-out, minutes later.
The cause is an event beside it. It is kept here for a moment (a broker that restarts says such things, too), and where
it is about TLS or the protocol, the listener is looked at (`look.py`).
"""

import re
import time
from collections.abc import Mapping

from confluent_kafka import KafkaError, KafkaException

from streamlake.engine.codes.kafka import SIGN_IN, TLS
from streamlake.engine.errors import ConfigError, SourceError, StreamLakeError
from streamlake.engine.kafka.explain import NO_ANSWER, explain
from streamlake.engine.kafka.look import Listener, why_not

CERTAIN_SECONDS = 2.0
"""A refusal that has come back for so long is no broker's restart."""
LOOK_AGAIN_SECONDS = 10.0
LATELY_SECONDS = 30.0
"""What goes on is heard again within a second, or ten where it is about tokens."""

_SIGN_IN = KafkaError._AUTHENTICATION  # noqa: SLF001  # librdkafka's own
_BECAUSE_OF_ANOTHER = frozenset(
    {
        KafkaError._FATAL,  # noqa: SLF001  # librdkafka's own
        KafkaError._PURGE_QUEUE,  # noqa: SLF001  # librdkafka's own
        KafkaError._PURGE_INFLIGHT,  # noqa: SLF001  # librdkafka's own
    }
)
_DOWN = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001  # librdkafka's own
_REFUSALS = frozenset(
    {
        _SIGN_IN,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError._SSL,  # noqa: SLF001  # librdkafka's own
    }
)
_WHO = re.compile(r"^(?:\w+://)?(?P<host>\[[^\]]+\]|[^\s/:]+):(?P<port>\d+)(?:/\w+)?: (?P<said>.*)$", re.DOTALL)
_WHILE = re.compile(r" \(after \d+ms in state \w+\)")
_HANDSHAKE = "mechanism handshake failed"
_NOT_GIVEN = "Failed to acquire SASL OAUTHBEARER token: "
_NO_TOKEN_SERVER = re.compile(r"connect|resolve|timed? ?out|timeout|HTTP error 5\d\d", re.IGNORECASE)
_SECRETS = ("sasl.password", "ssl.key.password", "sasl.oauthbearer.client.secret")


class Trouble:
    """Of one client: what was heard lately. `heard` is its error_cb, which the client's `poll` calls."""

    def __init__(self, properties: Mapping[str, object]) -> None:
        self._properties = properties
        self._servers = str(properties.get("bootstrap.servers", ""))
        self.forget()
        self._looked_at = float("-inf")
        self._seen: str | None = None
        self._fatal: KafkaError | None = None
        self._fatal_at = 0.0
        """What an idempotent producer can't go on after, and when it was told: once."""

    def forget(self) -> None:
        """A new question begins."""
        self._told: KafkaError | None = None
        self._first_at = self._told_at = 0.0

    def heard(self, error: KafkaError) -> None:
        """Keep the most telling one: a refusal, else anything but that nobody is there."""
        if error.fatal():
            self._fatal, self._fatal_at = error, time.monotonic()
        known = self._lately()
        if known is None:
            self._first_at = time.monotonic()
        if known is None or known.code() == _DOWN or (error.code() != _DOWN and known.code() not in _REFUSALS):
            self._told = error
        if self._told is not None and error.code() == self._told.code():
            self._told_at = time.monotonic()

    def _lately(self) -> KafkaError | None:
        """What was heard, unless it has not been heard again: then it is over."""
        return self._told if time.monotonic() - self._told_at < LATELY_SECONDS else None

    def heard_lately(self) -> str:
        """The client's own words about what goes on, without secrets; "" for nothing but that nobody answers."""
        told = self._lately()
        return "" if told is None or told.code() == _DOWN else self._without_secrets(_WHILE.sub("", told.str()))

    def certain(self, doing: str) -> StreamLakeError | None:
        """Why waiting on is useless; None while it may still help."""
        told = self._lately()
        if told is None or time.monotonic() - self._first_at < CERTAIN_SECONDS:
            return None
        found = self._look(told)
        if found:
            return ConfigError(f"{doing}: {found}", code=TLS)
        return self.sentence(told, doing) if told.code() == _SIGN_IN else None

    def explained(self, error: KafkaError, doing: str) -> StreamLakeError:
        """The error, or where nobody answered, why: by what was heard, and by a look at the listener."""
        if error.code() not in NO_ANSWER and error.code() not in _REFUSALS:
            return explain(error, doing, self._servers)
        cause = self._lately() or error
        found = self._look(cause)
        return ConfigError(f"{doing}: {found}", code=TLS) if found else self.sentence(cause, doing)

    def sentence(self, error: KafkaError, doing: str) -> StreamLakeError:
        """`error` in words, without asking anybody."""
        if error.code() in NO_ANSWER or error.code() in _BECAUSE_OF_ANOTHER:
            fatal = self._fatal if time.monotonic() - self._fatal_at < LATELY_SECONDS else None
            error = fatal or self._lately() or error
        if error.code() == _SIGN_IN:
            said = self._without_secrets(_WHILE.sub("", error.str()))
            return self._no_token(said, doing) if said.startswith(_NOT_GIVEN) else self._no_sign_in(said, doing)
        return explain(error, doing, self._servers)

    def _no_sign_in(self, said: str, doing: str) -> StreamLakeError:
        found = _WHO.match(said)
        where, said = (f"{found['host']}:{found['port']}", found["said"]) if found else (self._servers, said)
        mechanism, user = self._properties.get("sasl.mechanism"), self._properties.get("sasl.username")
        who = f" as {user}" if user else ""
        names = "kafka.security.username and password" if user else "kafka.security"
        said = said.removeprefix("SASL authentication error: ").rstrip(".")
        return ConfigError(
            f"{doing}: {where} refuses the sign-in{who} by {mechanism}: {said}: check {names}", code=SIGN_IN
        )

    def _no_token(self, said: str, doing: str) -> StreamLakeError:
        said = said.removeprefix(_NOT_GIVEN).strip().rstrip(".")
        url = self._properties.get("sasl.oauthbearer.token.endpoint.url")
        client = self._properties.get("sasl.oauthbearer.client.id")
        sentence = f"{doing}: no token from {url} for the client {client}: {said}"
        if _NO_TOKEN_SERVER.search(said):
            return SourceError(
                f"{sentence}: does it answer there, and is kafka.security.oauth.token_url right?", code=SIGN_IN
            )
        return ConfigError(
            f"{sentence}: check kafka.security.oauth (client_id, client_secret, scope, ca)", code=SIGN_IN
        )

    def _look(self, cause: KafkaError) -> str | None:
        """At the listener that is spoken of, else at all that are known; now and then only.

        Who was refused for a password or got no token has seen the listener, and there is nothing to be looked at.
        """
        if cause.code() == _SIGN_IN and _HANDSHAKE not in cause.str():
            return None
        if time.monotonic() - self._looked_at < LOOK_AGAIN_SECONDS:
            return self._seen
        self._looked_at, self._seen = time.monotonic(), None
        of = _WHO.match(cause.str())
        places = [(of["host"], of["port"])] if of else [_place(one) for one in self._servers.split(",")]
        for host, port in places:
            self._seen = why_not(Listener(host.strip("[]"), int(port), self._properties))
            if self._seen:
                break
        return self._seen

    def _without_secrets(self, text: str) -> str:
        """A server may say again what it was told."""
        for name in _SECRETS:
            secret = str(self._properties.get(name) or "")
            text = text.replace(secret, "(not shown)") if secret else text
        return text


def fatal_in(raised: KafkaException) -> KafkaError:
    """The fatal error that a producer's `poll` has raised, in the place of telling it; raises what is no such error."""
    error = raised.args[0]
    if isinstance(error, KafkaError) and error.fatal():
        return error
    raise raised


def _place(server: str) -> tuple[str, str]:
    host, _, port = server.strip().rpartition("://")[2].rpartition(":")
    return host, port
