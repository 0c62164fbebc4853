"""From dead letters to records: which of them are sent, where to, and with which headers."""

import contextlib
import importlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamlake.engine.errors import ConfigError
from streamlake.engine.operations.dead_types import FoundLetter
from streamlake.engine.operations.redrive_journal import Known, Upto
from streamlake.engine.operations.redrive_types import (
    REASONS_MAX,
    SOURCE,
    LeftOut,
    Outgoing,
    Place,
    RedriveRequest,
    Transform,
)
from streamlake.engine.records import UNREADABLE_HEADERS, Batch, DeadLetter, Header, OffsetRange

PORTION_LETTERS = 2_000
PORTION_BYTES = 8 * 2**20
"""What is decided at once; a single letter may pass it."""

ATTEMPT, FIRST_FAILED = "streamlake.attempt", "streamlake.first_failed_at"
"""What the engine reads of a record that it refuses again: `engine/letters.py`."""
OURS = ("streamlake.origin.", "streamlake.redrive.")


@dataclass
class Choice:
    """Chooses letters for one redrive, and counts those that it leaves out.

    `own` is what this redrive's journal says, `others` what those of all others say.
    """

    request: RedriveRequest
    name: str
    upto: Upto
    own: Known
    others: Sequence[Known]
    letters: int = 0
    sent_before: int = 0
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def outgoing(self, letters: Iterable[FoundLetter]) -> Iterator[Outgoing]:
        """The records of the letters that are to be sent, in their order."""
        for portion in self._portions(letters):
            made = [one for one in map(self._made, portion) if one is not None]
            yield from made if self.request.decide is None else self._valid(portion[0].letter, made)

    def _portions(self, letters: Iterable[FoundLetter]) -> Iterator[list[FoundLetter]]:
        """Letters of one partition with rising offsets, as many as are decided at once."""
        portion: list[FoundLetter] = []
        size = 0
        for found in letters:
            letter = found.letter
            run = "" if found.meant_for else found.run
            if letter.offset >= self.upto.get((run, letter.source), 0):
                continue
            last = portion[-1].letter if portion else letter
            follows = last is letter or (last.source == letter.source and last.offset < letter.offset)
            if not follows or len(portion) == PORTION_LETTERS or size > PORTION_BYTES:
                yield portion
                portion, size = [], 0
            portion.append(found)
            size += len(letter.value or b"") + len(letter.key or b"")
        if portion:
            yield portion

    def _made(self, found: FoundLetter) -> Outgoing | None:
        """The record to be sent; None where the letter is left out, and then it is counted."""
        letter, to = found.letter, self.request.to
        self.letters += 1
        home = to == SOURCE
        place = Place(
            (found.meant_for or letter.source.topic) if home else to,
            letter.source.topic,
            found.topic_id,
            letter.source.partition,
            letter.offset,
        )
        if place in self.own.sent:
            self.sent_before += 1
            return None
        why = self._unwanted(found, place)
        if why is not None:
            self.left_out[why] += 1
            return None
        changed = self._transformed(letter)
        if changed is None:
            return None
        in_doubt = place in self.own.in_doubt or any(place in other.in_doubt for other in self.others)
        key, value, headers = changed
        return Outgoing(
            place,
            letter.source.partition if home and not found.meant_for else None,
            None if self.request.timed_now or letter.timestamp_ms <= 0 else letter.timestamp_ms,
            key,
            value,
            [*headers, *_origin_headers(found, self.name, in_doubt=in_doubt)],
            in_doubt,
        )

    def _unwanted(self, found: FoundLetter, place: Place) -> LeftOut | None:
        letter = found.letter
        if letter.attempt >= self.request.max_attempts:
            return "attempts"
        if not self.request.again and any(place in other.sent for other in self.others):
            return "sent_before"
        if found.truncated is not None:
            return "truncated"
        return "headers_lost" if UNREADABLE_HEADERS[0] in letter.headers else None

    def _transformed(self, letter: DeadLetter) -> tuple[bytes | None, bytes | None, Sequence[Header]] | None:
        """Key, value and headers as they are sent, without ours."""
        headers = [header for header in letter.headers if not _is_ours(header[0])]
        if self.request.transform is None:
            return letter.key, letter.value, headers
        try:
            answer = self.request.transform.call(letter.key, letter.value, headers)
            if answer is None:
                self.left_out["transform_none"] += 1
                return None
            return _checked(answer)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (the user's code may raise anything)
            self._refused("transform_failed", f"{self.request.transform.name}: {type(error).__name__}: {error}")
            return None

    def _valid(self, letter: DeadLetter, made: Sequence[Outgoing]) -> Iterator[Outgoing]:
        """Those that the pipeline would not refuse now. A record that kills the validator is one it refuses."""
        assert self.request.decide is not None, "asked only where there is one"
        if not made:
            return
        offsets = [one.place.offset for one in made]
        verdict = self.request.decide(
            Batch(
                letter.source,
                OffsetRange(offsets[0], offsets[-1] + 1),
                None,
                offsets,
                [one.timestamp_ms or -1 for one in made],
                [0 if one.timestamp_ms is None else 1 for one in made],
                [one.key for one in made],
                [one.value for one in made],
                [one.headers for one in made],
            )
        )
        refused = {refusal.index: refusal for refusal in verdict.refused}
        for index, one in enumerate(made):
            if index in refused:
                self._refused("not_valid", refused[index].message)
            else:
                yield one

    def _refused(self, why: LeftOut, said: str) -> None:
        self.left_out[why] += 1
        if said in self.reasons or len(self.reasons) < REASONS_MAX:
            self.reasons[said] += 1


def load_transform(name: str) -> Transform:
    """The function that `MODULE:FUNC` names. Raises ConfigError where it can't be had, with why."""
    module_name, colon, function_name = name.partition(":")
    if not (module_name and colon and function_name):
        raise ConfigError(f"--transform {name}: must be MODULE:FUNC, as in fixes:quantity")
    try:
        found = getattr(importlib.import_module(module_name), function_name, None)
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}"
        raise ConfigError(f"--transform {name}: {module_name} can't be imported (from python_path): {why}") from error
    if not callable(found):
        raise ConfigError(f"--transform {name}: the module {module_name} has no function {function_name}")
    return Transform(name, found)


def _origin_headers(found: FoundLetter, name: str, *, in_doubt: bool) -> Iterator[Header]:
    """How often it has failed, since when, where it came from, and which redrive sends it."""
    letter = found.letter
    yield ATTEMPT, b"%d" % letter.attempt
    yield FIRST_FAILED, b"%d" % letter.first_failed_at_ms
    yield "streamlake.origin.topic", letter.source.topic.encode()
    yield "streamlake.origin.partition", b"%d" % letter.source.partition
    yield "streamlake.origin.offset", b"%d" % letter.offset
    yield "streamlake.origin.run", found.run.encode()
    yield "streamlake.origin.timestamp_ms", b"%d" % letter.timestamp_ms
    yield "streamlake.redrive.id", name.encode()
    if in_doubt:
        yield "streamlake.redrive.in_doubt", b"true"


def _is_ours(name: str) -> bool:
    """What is written anew by each redrive, and never piles up."""
    return name in (ATTEMPT, FIRST_FAILED) or name.startswith(OURS)


def _checked(answer: object) -> tuple[bytes | None, bytes | None, Sequence[Header]]:
    """What a transform has returned, as it can be sent. Raises TypeError, which says what is wrong with it."""
    given: Any = answer
    with contextlib.suppress(TypeError, ValueError):
        key, value, headers = given
        pairs = [(name, data) for name, data in headers]
        blanks = (key, value, *(data for _, data in pairs))
        if all(isinstance(name, str) for name, _ in pairs) and all(isinstance(one, bytes | None) for one in blanks):
            return key, value, [pair for pair in pairs if not _is_ours(pair[0])]
    raise TypeError(f"returned {answer!r:.100}, which is not (key, value, headers) in bytes, nor None")
