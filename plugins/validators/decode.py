"""The JSON gate that every validator of JSON shares: one decided answer for all that RFC 8259 leaves open.

The answers and their reasons are the table in `docs/validation.md`; `tests/validators/cases.py` holds them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal, TypeVar, cast

import orjson

from streamlake.engine.packed import bytes_of
from streamlake.engine.records import ArrowColumns, Refusal, Verdict
from streamlake.plugins.validators.scan import (
    DIGITS_AS_ZERO,
    deeper_than,
    has_long_integer,
    may_overflow,
    number_out_of_range,
    outside_strings,
)
from streamlake.plugins.validators.wording import capped, message_of

DECISIONS = 1
"""Goes up whenever a row of the table in docs/validation.md changes; a part of every fingerprint."""

DEPTH_MAX_DEFAULT = 64
DEPTH_MAX_LIMIT = 200  # pydantic's own JSON parser ends at 201 levels; beyond, validators would disagree

TopLevel = Literal["object", "any"]
T = TypeVar("T")
Failure = TypeVar("Failure", bound=Exception)

_PIECE_ROWS = 256
_PIECE_BYTES = 1 << 20
_HANDFUL_ROWS = 16
_OPENERS_AS_ONE = bytes.maketrans(b"{", b"[")
_NO_OPENERS = bytes(byte for byte in range(256) if byte not in b"\0[{")
_FIRST_BYTE: Callable[[Any], int] = itemgetter(0)
_JSON_BLANKS = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A piece of a batch that may be parsed: `values[i]` is the payload of the batch's message `indices[i]`.

    `refused` is of the whole batch, by index, and grows while pieces are admitted, parsed and validated.
    """

    refused: dict[int, Refusal]
    indices: Sequence[int]
    values: Sequence[bytes]

    def take(self, positions: Sequence[int]) -> "Admitted":
        """Those at `positions` of the piece."""
        return Admitted(self.refused, [self.indices[at] for at in positions], [self.values[at] for at in positions])


@dataclass(frozen=True, slots=True)
class Gate:
    """Decides whether payloads are JSON that means the same to every reader.

    `admit` looks at many payloads by a few C calls and refuses what orjson would let pass; `parse` has orjson parse
    what was admitted, and refuses what orjson does. Both together decide exactly as `refusal` alone does, payload by
    payload (held by a property test).
    """

    depth_max: int = DEPTH_MAX_DEFAULT
    top_level: TopLevel = "object"

    def refusal(self, index: int, payload: bytes | None) -> Refusal | None:
        """Why the payload of message `index` is refused, or None: the exact answer, for one payload."""
        if payload is None:
            return Refusal(index, "tombstone", "there is no payload (a tombstone)")
        try:
            document = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            return self._undecodable(index, payload, error)
        outside = outside_strings(payload)
        if deeper_than(outside, self.depth_max):
            return Refusal(index, "malformed", f"nested deeper than {self.depth_max} levels (`depth_max`)")
        if has_long_integer(outside):
            return _unholdable(index, number_out_of_range(payload) or (None, "an integer"))
        if self.top_level == "object" and not isinstance(document, dict):
            return Refusal(index, "invalid", f"the top level is {_kind(document)}, not an object (`top_level`)")
        return None

    def described(self, schema: Mapping[str, object]) -> Mapping[str, object]:
        """A payload's JSON Schema with what the gate asks for beside it."""
        return {"type": "object", **schema} if self.top_level == "object" else schema

    def admit(
        self, values: Sequence[bytes | None], refused: dict[int, Refusal], indices: Sequence[int] | None = None
    ) -> Iterator[Admitted]:
        """Payloads piece by piece, without those that orjson would wrongly let pass: they go to `refused`.

        `indices` are the messages that they belong to; None: they are a whole batch's. Parse each piece before the
        next one: it is in the cache then.
        """
        numbers = range(len(values)) if indices is None else indices
        for first, packed in pieces_of(values):
            piece = list(packed)  # an item that lies in one buffer with others is made once and not at each look
            of_piece = numbers[first : first + len(piece)]
            if self._plain(piece):
                yield Admitted(refused, of_piece, cast("Sequence[bytes]", piece))
                continue
            # Nearly always it is one payload in hundreds: the plain ones around it are found a handful at a time.
            for at in range(0, len(piece), _HANDFUL_ROWS):
                handful = piece[at : at + _HANDFUL_ROWS]
                if not self._plain(handful):
                    self._refuse_doubtful(of_piece[at : at + _HANDFUL_ROWS], handful, refused)
            kept = [at for at, index in enumerate(of_piece) if index not in refused]
            yield Admitted(refused, [of_piece[at] for at in kept], cast("Sequence[bytes]", [piece[at] for at in kept]))

    def readable(self, admitted: Admitted) -> bool:
        """Whether all of an admitted piece is UTF-8, and surely no number in it is larger than any double.

        What a parser has to be told that passes over values without looking at them.
        """
        joined = b"\0".join(admitted.values)
        try:
            joined.isascii() or joined.decode()
        except UnicodeDecodeError:
            return False
        return not may_overflow(joined)

    def parse(self, admitted: Admitted, *calls: Callable[[Any], Any]) -> list[Any]:
        """What the chain of `calls` makes of each admitted document; without any, the documents themselves.

        None stands for what orjson refuses (it is in `admitted.refused` then). Only the results are kept: the
        documents of a batch would be many times its bytes, and memory that is used again at once costs half.
        """

        def refuse(position: int, error: orjson.JSONDecodeError) -> None:
            self.refuse(admitted, position, error)

        results: Iterator[Any] = map(orjson.loads, admitted.values)
        for call in calls:
            results = map(call, results)
        return drain(results, refuse, orjson.JSONDecodeError)

    def refuse(self, admitted: Admitted, position: int, error: orjson.JSONDecodeError) -> None:
        """Refuse the admitted payload at `position`, of which orjson said `error`."""
        index = admitted.indices[position]
        admitted.refused[index] = self._undecodable(index, admitted.values[position], error)

    def _plain(self, piece: Sequence[bytes | None]) -> bool:
        """Whether no payload of the piece can hold a doubt; a cheap look at all of them at once."""
        try:
            if self.top_level == "object" and [*map(_FIRST_BYTE, piece)].count(ord("{")) != len(piece):
                return False
            # NUL between payloads, which no JSON text may hold, so that no run of digits or brackets spans two of them.
            joined = b"\0".join(cast("Sequence[bytes]", piece))
        except (IndexError, TypeError):  # nothing in a payload, or no payload: to look for one beforehand costs more
            return False
        digits = joined.translate(DIGITS_AS_ZERO)
        if b"0" * 19 in digits and (b"0" * 20 in digits or b"-" + b"0" * 19 in digits):
            return False
        return b"[" * (self.depth_max + 1) not in joined.translate(_OPENERS_AS_ONE, _NO_OPENERS)

    def _refuse_doubtful(
        self, indices: Iterable[int], values: Iterable[bytes | None], refused: dict[int, Refusal]
    ) -> None:
        """Look at the payloads one by one, and at the suspect ones exactly."""
        pairs = zip(indices, values, strict=True)
        exact = (self.refusal(index, value) for index, value in pairs if self._suspect(value))
        refused.update((refusal.index, refusal) for refusal in exact if refusal is not None)

    def _suspect(self, payload: bytes | None) -> bool:
        """Whether `refusal` has to look. It says no to most malformed ones: parsing finds those."""
        if payload is None:
            return True
        if self.top_level == "object" and not payload.lstrip(_JSON_BLANKS).startswith(b"{"):
            return True
        deep = payload.count(b"{") + payload.count(b"[") > self.depth_max
        if not deep and b"0" * 19 not in payload.translate(DIGITS_AS_ZERO):
            return False
        outside = outside_strings(payload)
        return has_long_integer(outside) or (deep and deeper_than(outside, self.depth_max))

    def _undecodable(self, index: int, payload: bytes, error: orjson.JSONDecodeError) -> Refusal:
        """What orjson refused: not JSON, or JSON with a number that is larger than any double."""
        if not payload:
            return Refusal(index, "malformed", "the payload is empty")
        try:
            payload.decode()
        except UnicodeDecodeError as wrong:  # orjson does not say where
            byte = payload[wrong.start]
            return Refusal(index, "malformed", f"not UTF-8: byte 0x{byte:02x} at position {wrong.start}")
        if may_overflow(payload) and not deeper_than(outside_strings(payload), self.depth_max):
            number = number_out_of_range(payload)
            if number is not None:
                return _unholdable(index, number)
        return Refusal(index, "malformed", message_of(f"not JSON: {error}"))


def verdict_of(refused: Mapping[int, Refusal], columns: ArrowColumns | None = None) -> Verdict:
    """The verdict over a batch once every piece of it is decided."""
    return Verdict([refused[index] for index in sorted(refused)], columns=columns)


def drain(
    results: Iterator[T], failed: Callable[[int, Failure], T], catch: type[Failure] | tuple[type[Failure], ...]
) -> list[T]:
    """All `results` of a chain of C-level `map`s; where one raises `catch`, `failed(position, error)` stands in.

    A `map` that raised goes on with its next item, and `list.extend` keeps what it got before the error: so only a
    record that fails costs a step of Python.
    """
    collected: list[T] = []
    while True:
        try:
            collected.extend(results)
        except catch as error:
            collected.append(failed(len(collected), error))
        else:
            return collected


def pieces_of(
    values: Sequence[bytes | None], rows_max: int = _PIECE_ROWS
) -> Iterator[tuple[int, Sequence[bytes | None]]]:
    """`values` in runs of at most `rows_max` and about 1 MiB, each with its first index: bounds what is in hand."""
    first = 0
    while first < len(values):
        piece = values[first : first + rows_max]
        size = bytes_of(piece)
        if size > _PIECE_BYTES:
            piece = piece[: max(1, len(piece) * _PIECE_BYTES // size)]
        yield first, piece
        first += len(piece)


def _unholdable(index: int, number: tuple[str | None, str]) -> Refusal:
    field, text = number
    message = f"{field or 'the record'} is {capped(text, 60)}, a number that no 64-bit type holds"
    return Refusal(index, "invalid", message_of(message), field)


def _kind(document: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(document), "a number")
