"""What is asked for and told of dead letters: a filter, and a letter with where it was found."""

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from streamlake.engine.records import DeadLetter, OffsetRange, Reason, TopicPartition


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which dead letters are wanted: all that fulfil everything that is given.

    `field` is a JSON pointer: it and what lies below it, or a pattern with `*`. `since` and `until` (aware, half-open)
    are about when the record was refused: the commit of its ledger entry, or its time in the dead-letter topic.
    `validator` is a type of the YAML, `fingerprint` its version, of which the beginning will do; only files say it.
    `run`: the letters of this run, all of them; without one, those that stand for what readers see.
    """

    reason: Reason | None = None
    field: str | None = None
    topic: str | None = None
    partition: int | None = None
    offsets: OffsetRange | None = None
    since: datetime | None = None
    until: datetime | None = None
    validator: str | None = None
    fingerprint: str | None = None
    run: str | None = None

    def wants_source(self, source: TopicPartition) -> bool:
        """False where no letter of the partition can be wanted."""
        return self.topic in (None, source.topic) and self.partition in (None, source.partition)

    def wants_time(self, refused_at: datetime) -> bool:
        """False outside `since` and `until`."""
        return (self.since is None or refused_at >= self.since) and (self.until is None or refused_at < self.until)

    def wants_validator(self, validator: str, fingerprint: str) -> bool:
        """False for what another validator decided, or another version of it."""
        return self.validator in (None, validator) and fingerprint.startswith(self.fingerprint or "")

    def wants(self, letter: DeadLetter) -> bool:
        """Everything but the time and the validator."""
        return (
            self.wants_source(letter.source)
            and self.reason in (None, letter.reason)
            and (self.offsets is None or letter.offset in self.offsets)
            and (self.field is None or (letter.field is not None and _lies_below(letter.field, self.field)))
        )


@dataclass(frozen=True, slots=True)
class FoundLetter:
    """A dead letter and where it was found: a file under the root, or a place in the dead-letter topic.

    `fingerprint` is the validator's version, `topic_id` the id of the record's topic; both are "" in the dead-letter
    topic, whose copies don't say them. `meant_for`: the topic of a record that the HTTP edge refused, where its own
    place is that in the dead-letter topic (`edge_letters`). `truncated` says that the
    value was left out of the copy in the topic, and where the whole one is.
    """

    letter: DeadLetter
    refused_at: datetime
    run: str
    validator: str
    found_in: str
    fingerprint: str = ""
    truncated: str | None = None
    topic_id: str = ""
    meant_for: str = ""


def _lies_below(field: str, wanted: str) -> bool:
    if "*" in wanted:
        return fnmatchcase(field, wanted)
    return field == wanted or field.startswith(f"{wanted.rstrip('/')}/")
