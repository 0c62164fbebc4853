"""One client for questions to a cluster: bounded waiting, and every failure as a sentence."""

import _thread
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from streamlake.engine.codes.kafka import UNREACHABLE
from streamlake.engine.contracts import Beat
from streamlake.engine.errors import SourceError
from streamlake.engine.kafka.explain import Properties, make_client
from streamlake.engine.kafka.trouble import Trouble

_UNKNOWN = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})  # noqa: SLF001  # librdkafka's own
_SLACK_SECONDS = 5.0
"""librdkafka keeps the time-out itself; this much later we stop believing that it does."""
_BEAT_SECONDS = 0.5

Answer = TypeVar("Answer")


class ClusterClient:
    """An AdminClient that raises our errors. Makes no connection before its first question."""

    def __init__(self, properties: Properties, *, timeout_seconds: float = 30.0, beat: Beat = lambda: None) -> None:
        self._servers = str(properties.get("bootstrap.servers", ""))
        self._timeout, self._beat = timeout_seconds, beat
        self._trouble = Trouble(properties)
        # The client must outlive its futures, or they end with _DESTROY: it lives as long as this object.
        self._client: AdminClient = make_client(AdminClient, {**properties, "error_cb": self._trouble.heard})
        weakref.finalize(self, _let_go, self._client, threading.get_ident()).atexit = False

    def heard(self) -> str:
        """What the client has heard of brokers that don't answer, e.g. that one refuses connections; "" if nothing."""
        return self._trouble.heard_lately()

    def _bounded(self) -> dict[str, Any]:
        return {"request_timeout": self._timeout}

    def _ask(self, doing: str, ask: Callable[[], Answer]) -> Answer:
        """Send a question; librdkafka may refuse it at once."""
        self._trouble.forget()
        try:
            return ask()
        except KafkaException as error:
            raise self._explained(error, doing) from None

    def _result(self, doing: str, future: "Future[Any]") -> Any:
        return self._result_or_error(doing, future, frozenset())

    def _result_or_error(self, doing: str, future: "Future[Any]", expected: frozenset[int]) -> Any:
        """The answer; or the error that it ended in, where its code is among the `expected` ones."""
        deadline = time.monotonic() + self._timeout + _SLACK_SECONDS
        while time.monotonic() < deadline:
            try:
                return future.result(_BEAT_SECONDS)
            except FutureTimeoutError:
                self._client.poll(0)  # serves the error callback; before a beat, which may be the last
                self._beat()
                if (certain := self._trouble.certain(doing)) is not None:
                    raise certain from None
            except KafkaException as error:
                if error.args[0].code() in expected:
                    return error.args[0]
                raise self._explained(error, doing) from None
        raise SourceError(f"{doing}: no answer from {self._servers} within {self._timeout:g} s", code=UNREACHABLE)

    def _all(self, doing: str, futures: Mapping[Any, "Future[Any]"]) -> None:
        for future in futures.values():
            self._result(doing, future)

    def _known(self, doing: str, futures: Mapping[Any, "Future[Any]"]) -> dict[Any, Any]:
        """The answers, without those of topics that the cluster does not know."""
        answers = {asked: self._result_or_error(doing, future, _UNKNOWN) for asked, future in futures.items()}
        return {asked: answer for asked, answer in answers.items() if not isinstance(answer, KafkaError)}

    def _explained(self, error: KafkaException, doing: str) -> Exception:
        self._client.poll(0)  # serves the error callback
        return self._trouble.explained(error.args[0], doing)


def _let_go(client: AdminClient, made_in: int) -> None:
    """End a client whose owner is gone, in a thread that may.

    A client has a thread of its own, which makes the answers to its questions: objects of Python, and whoever makes one
    may be made to collect garbage. Where a client is garbage while a question is open (who asked has given up), its own
    thread may so come to end it, and librdkafka aborts the process. So only the thread that made the client, which is
    none of librdkafka's, ends it in passing; any other leaves that to a new one. No `threading.Thread`, whose locks the
    interrupted thread may hold; and by `__exit__`, which ends it whoever else still knows of it.
    """
    if threading.get_ident() != made_in:
        _thread.start_new_thread(client.__exit__, (None, None, None))
