"""What is compiled, from `src/`."""

import builtins
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias, final, overload

# A rule: the kinds of JSON values that are allowed, as a sum of 1 null, 2 boolean, 4 number without fraction and
# exponent, 8 other number, 16 string, 32 array, 64 object; and what holds of some of them, None for no more:
#   strings   (characters at least, at most, format, pattern or None, words)
#             -1 for no limit; format 0 none, 1 date, 2 time, 3 date-time, 4 uuid; words: one of these, if any
#   integers  (least, most, multiple of or 0, values: one of these, if any)
#   doubles   (least, most, whether the least itself is not allowed, whether the most is not)
#   array     (rule of an item or None for anything, items at least, at most)
#   object    (fields, whether no others are allowed, rule of all others or None), a field: (name, required, rule)
# A pattern: (whether the string ends with it, atoms), an atom: (32 bytes with a bit for each ASCII character that is
# allowed, how often at least, at most or -1).
Pattern: TypeAlias = tuple[bool, tuple[tuple[bytes, int, int], ...]]
Strings: TypeAlias = tuple[int, int, int, Pattern | None, tuple[bytes, ...]]
Integers: TypeAlias = tuple[int, int, int, tuple[int, ...]]
Doubles: TypeAlias = tuple[float, float, bool, bool]
Items: TypeAlias = tuple[Rule | None, int, int]
Fields: TypeAlias = tuple[tuple[tuple[bytes, bool, Rule], ...], bool, Rule | None]
Rule: TypeAlias = tuple[int, Strings | None, Integers | None, Doubles | None, Items | None, Fields | None]

# What holds the values of a rule: 0 string, 1 int64, 2 double, 3 boolean, 4 days since 1970 of a date, 5 microseconds
# since 1970 of a date-time, 6 list, 7 struct; and the columns within it.
Out: TypeAlias = tuple[int, tuple[Out, ...]]

# A column: rows, nulls, Arrow's validity, offsets and data; None for a buffer that it has not.
Filled: TypeAlias = tuple[int, int, bytes | None, bytes | None, bytes | None]

class ArrowItems(Protocol):
    """An Arrow array of any library's."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...

def envelopes(
    block: builtins.bytes, quoted: bool, /
) -> tuple[builtins.bytes, builtins.bytes, builtins.bytes, Bytes, Bytes | None, Bytes] | None:
    """Offsets and milliseconds as 64-bit integers, timestamp types, keys, headers' texts without `]`, values.

    Of whole lines of the envelope, whose values are strings where they are `quoted`, and else JSON as it stands. No
    headers: none has any. None: a line is not of that form, or has a text to unescape, and nothing was taken.
    """

def contents(block: builtins.bytes, quoted: bool, /) -> tuple[builtins.bytes, Bytes] | None:
    """Offsets and values alone, whatever needs unescaping before them."""

@final
class Bytes(Sequence[bytes | None]):
    """A sequence of bytes and None in one buffer, of 2 GiB at most; Arrow takes it as it is."""

    nbytes: int
    def __new__(cls, items: Iterable[bytes | None] | ArrowItems) -> Bytes:
        """Of an Arrow array (binary or string) the buffers are kept. Raises TypeError for one of another type."""
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[bytes | None]: ...
    @overload
    def __getitem__(self, index: int, /) -> bytes | None: ...
    @overload
    def __getitem__(self, index: slice, /) -> Sequence[bytes | None]: ...
    def beyond(self, limit: int, /) -> list[int]:
        """The indices of those that are None or longer than so many bytes, ascending."""
    def take(self, indices: Sequence[int], /) -> Bytes:
        """The items at ascending indices. Raises IndexError for others."""
    def without(self, indices: Sequence[int], /) -> Bytes:
        """All but the items at ascending indices. Raises IndexError for others."""
    def __arrow_c_array__(self, requested_schema: object | None = None, /) -> tuple[object, object]:
        """Capsules with an ArrowSchema (binary) and an ArrowArray, without a copy."""

@final
class Decoder:
    """Decides which JSON payloads a rule surely allows, and fills columns with them."""

    def __new__(cls, rule: Rule, depth_max: int, columns: Out | None = None) -> Decoder:
        """Raises ValueError where there is no such rule, or the columns are not those of the rule."""
    def doubtful(self, payloads: Sequence[bytes | None], /) -> list[int]:
        """The indices of all others, ascending; None is doubtful."""
    def columns(self, payloads: Sequence[bytes | None], /) -> tuple[list[int], list[Filled]]:
        """The same, and the columns of those that are allowed, each before those within it."""

@final
class Reader:
    """One partition from librdkafka, many messages a call. Not thread-safe.

    An error is an answer: librdkafka's code, and what it says.
    """

    rows: int
    """The messages that were taken in since `take`."""
    bytes: int
    """Their keys, values and headers."""
    last_epoch: int
    """The leader epoch of the last message; -1: it had none, -2: there was none."""
    def __new__(
        cls, library: str, properties: list[tuple[str, str]], topic: str, partition: int, unreadable: object
    ) -> Reader:
        """`library`: a file that brings librdkafka; `unreadable` stands for headers whose names are not UTF-8.

        Raises ImportError where librdkafka is not found in there, ValueError where it refuses a property.
        """
    def assign(self, offset: int, leader_epoch: int, /) -> tuple[int, str] | None:
        """Read from this offset on; -1 for no epoch."""
    def read(self, count: int, milliseconds: int, until: int, /) -> int | tuple[int, str]:
        """How many of `count` messages came in time; those below the offset `until` are taken in (-1: all)."""
    def take(self) -> tuple[builtins.bytes, builtins.bytes, builtins.bytes, Bytes, Bytes, list[Any] | None]:
        """Offsets and milliseconds as 64-bit integers, timestamp types, keys, values, headers (None: none at all)."""
    def position(self) -> tuple[int, int]:
        """The next offset to read and its leader epoch; negative for none."""
    def logs(self) -> list[tuple[int, str, str]]:
        """What librdkafka has logged since: syslog level, facility, text (with `log.queue` alone)."""
    def close(self) -> None:
        """Leave the broker."""
