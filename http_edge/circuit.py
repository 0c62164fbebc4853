"""Whether Kafka can be reached, topic by topic: asked again and again while it can't, so that no request waits."""

import asyncio
from collections.abc import Callable, Iterable

import structlog

log = structlog.get_logger("streamlake.http")

NOT_ASKED_YET = "no broker has answered yet"
ASK_SECONDS = 2.0
"""How long the brokers may take for the answer to one question."""
BETWEEN_SECONDS = 0.5

Look = Callable[[str, float], str | None]
"""Asks for a topic, which may take so many seconds, in another thread: what is wrong, in a sentence, or None."""


class Circuit:
    """Open for a topic that can't be written to, from the first sign that a question confirms, until one is answered.

    A sign alone (a time-out, a lost connection) opens nothing: brokers come and go, and librdkafka tries again.
    """

    def __init__(self, topics: Iterable[str], look: Look) -> None:
        self._look = look
        self._wrong: dict[str, str | None] = dict.fromkeys(topics, NOT_ASKED_YET)
        self._suspected = asyncio.Event()
        self._suspected.set()
        self.asked = asyncio.Event()
        """Set once the first questions are through, whatever came of them."""

    def wrong_with(self, topic: str) -> str | None:
        """Why a topic can't be written to, in a sentence; None where nothing is known against it."""
        return self._wrong[topic]

    @property
    def wrong(self) -> dict[str, str]:
        """What is wrong with each topic that can't be written to."""
        return {topic: why for topic, why in self._wrong.items() if why is not None}

    def suspect(self) -> None:
        """Something failed that may mean that Kafka is away: ask."""
        self._suspected.set()

    async def watch(self) -> None:
        """Ask whenever there is a reason to; ends by being cancelled."""
        while True:
            await self._suspected.wait()
            self._suspected.clear()
            answers = await asyncio.gather(
                *(asyncio.to_thread(self._look, topic, ASK_SECONDS) for topic in self._wrong)
            )
            for (topic, before), why in zip(list(self._wrong.items()), answers, strict=True):
                if why and why != before:
                    log.warning("kafka can't be written to", topic=topic, why=why)
                elif before and not why:
                    log.info("kafka can be written to", topic=topic)
                self._wrong[topic] = why
            self.asked.set()
            if self.wrong:
                await asyncio.sleep(BETWEEN_SECONDS)
                self._suspected.set()
