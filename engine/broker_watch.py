"""Watches whether the broker answers for each partition, and still has its topic; with the log lines about both."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

import structlog

from streamlake.engine.records import TopicPartition

log = structlog.get_logger("streamlake.supervisor")

AWAY_SECONDS = 8.0
"""A question without an answer for so long: the election of a leader takes less."""
NOT_YET = "no answer yet"
AGAIN_SECONDS = 60.0
"""How often a broker that stays away is said."""
STILL_SECONDS = 2.0
"""A loop that stood still for longer has not heard the answers that came meanwhile."""


class BrokerWatch:
    """Told of each question and each answer; `look` goes with the supervisor's loop. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._asked: dict[TopicPartition, tuple[float, str]] = {}  # the first question since the last answer
        self._away: dict[TopicPartition, str] = {}
        self._away_at: float | None = None
        self._missed: dict[TopicPartition, tuple[float, str]] = {}  # the first answer that there is no such topic
        self._gone: dict[TopicPartition, str] = {}
        self.why = ""
        """What the last question ended in; "" while it is answered, or not yet given up."""
        self._said: frozenset[TopicPartition] = frozenset()
        self._said_at = 0.0
        self._looked_at: float | None = None

    @property
    def away(self) -> Mapping[TopicPartition, str]:
        """The partitions for which no broker answers, each with since when (ISO 8601, UTC)."""
        return self._away

    @property
    def since(self) -> str | None:
        """The earliest of these; None while it answers for all of them."""
        return min(self._away.values(), default=None)

    @property
    def gone(self) -> Mapping[TopicPartition, str]:
        """The partitions of topics that the cluster does not have any more, each with since when (ISO 8601, UTC)."""
        return self._gone

    def asked(self, sources: Collection[TopicPartition], now: float) -> None:
        """A question about each of `sources` is sent; others are of no interest any more."""
        at = now, iso_now()
        self._missed = {source: missed for source, missed in self._missed.items() if source in sources}
        self._asked = {source: self._asked.get(source, at) for source in sources}

    def is_asked(self, source: TopicPartition) -> bool:
        """Whether a question about this one waits for its answer, however short."""
        return source in self._asked

    def answered(self, source: TopicPartition, missing_at: float | None = None) -> None:
        """The broker has answered for this one; `missing_at`: asked then, it had no such topic."""
        self._asked.pop(source, None)
        if missing_at is None:
            self._missed.pop(source, None)
        else:
            self._missed.setdefault(source, (missing_at, iso_now()))

    def look(self, now: float, why: str) -> None:
        """Take in that time has passed; says what has changed. `why` is what the last question ended in."""
        if self._looked_at is not None and now - self._looked_at > STILL_SECONDS:
            self._asked = {source: (now, since) for source, (_, since) in self._asked.items()}
        self._looked_at, self.why = now, why
        self._away = {
            source: since
            for source, (at, since) in self._asked.items()
            if now - at >= AWAY_SECONDS or source in self._away
        }
        self._look_for_gone(now)
        if self._away.keys() - self._said or (self._away and now - self._said_at >= AGAIN_SECONDS):
            self._away_at = self._away_at or min(self._asked[source][0] for source in self._away)
            self._said, self._said_at = frozenset(self._away), now
            say_away(now - self._away_at, why, sorted(self._away))
        elif not self._away and self._away_at is not None:
            say_back(now - self._away_at)
            self._away_at, self._said = None, frozenset()

    def _look_for_gone(self, now: float) -> None:
        """Gone is what is missing for a while: a broker that has just started may not have heard of a topic yet."""
        before = {source.topic for source in self._gone}
        self._gone = {
            source: since
            for source, (at, since) in self._missed.items()
            if now - at >= AWAY_SECONDS and source not in self._away
        }
        new = sorted({source.topic for source in self._gone} - before)
        if new:
            hint = (
                "if that was meant, take it out of kafka.topics; else make it anew, stop the engine, and "
                "`streamlake offsets reset --recreated`"
            )
            log.error("the topic is gone", topics=new, hint=hint)


def say_away(seconds: float, why: str, sources: Iterable[TopicPartition] = ()) -> None:
    """That the broker does not answer, for so many seconds by now; and for which partitions."""
    about = {"partitions": [str(source) for source in sources]} if sources else {}
    hint = "all goes on by itself when it answers; kafka.bootstrap_servers says where it is asked"
    log.warning("the broker does not answer", why=why or NOT_YET, **about, seconds=round(seconds, 1), hint=hint)


def say_back(seconds: float) -> None:
    """That it does again, after so many seconds."""
    log.info("the broker answers again", seconds=round(seconds, 1))


def iso_now() -> str:
    """Now, as states have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
