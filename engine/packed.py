"""What is asked of a batch's column, be it a list or packed in one buffer: how large, where a null, which items.

A column of keys or values is any sequence. One that is packed (`streamlake-native` makes such) answers itself; for a
list C loops of the standard library do, and nothing of ours runs for an item.
"""

import sys
from abc import ABC, abstractmethod
from array import array
from collections.abc import MutableSequence, Sequence
from itertools import compress, repeat
from operator import is_
from typing import TypeVar, cast

T = TypeVar("T")

FEW = 50
"""One item in so many is dropped from a list by deleting it; more by going through the list once."""


class Packed(ABC):
    """A sequence of bytes and None that has all of them in one buffer, and does itself what would make an object each.

    What makes them is `streamlake-native`; as every sequence they can be read item by item. A class is one of these
    that has what is declared here.
    """

    nbytes: int
    """What all items hold."""

    @abstractmethod
    def beyond(self, limit: int, /) -> list[int]:
        """The indices of those that are None or longer than `limit`, ascending."""

    @abstractmethod
    def take(self, indices: Sequence[int], /) -> Sequence[bytes | None]:
        """The items at `indices`, ascending."""

    @abstractmethod
    def without(self, indices: Sequence[int], /) -> Sequence[bytes | None]:
        """All but the items at `indices`, ascending."""

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        return all(hasattr(other, name) for name in ("nbytes", *cls.__abstractmethods__))


def has_null(items: Sequence[bytes | None]) -> bool:
    """Whether one of them is None; by identity: to compare bytes costs more."""
    if isinstance(items, Packed):
        return bool(items.beyond(sys.maxsize))
    return any(map(is_, items, repeat(None)))


def bytes_of(items: Sequence[bytes | None]) -> int:
    """What all of them hold; None holds nothing."""
    if isinstance(items, Packed):
        return items.nbytes
    try:
        return sum(map(len, cast("Sequence[bytes]", items)))
    except TypeError:  # there is None among them
        return sum(map(len, filter(None, items)))


def beyond(items: Sequence[bytes | None], limit: int) -> list[int]:
    """The indices of those that are None or longer than `limit`, ascending."""
    if isinstance(items, Packed):
        return items.beyond(limit)
    try:
        if max(map(len, cast("Sequence[bytes]", items)), default=0) <= limit:
            return []
    except TypeError:  # there is None among them
        pass
    return [index for index, item in enumerate(items) if item is None or len(item) > limit]


def taken(items: Sequence[T], indices: Sequence[int]) -> Sequence[T]:
    """The items at `indices`, ascending."""
    if isinstance(items, Packed):
        return cast("Sequence[T]", items.take(indices))
    return [items[index] for index in indices]


def without(items: Sequence[T], out: Sequence[int]) -> Sequence[T]:
    """All but those at `out`, ascending."""
    if isinstance(items, Packed):
        return cast("Sequence[T]", items.without(out))
    if len(out) * FEW > len(items):
        keep = bytearray(b"\x01") * len(items)
        for index in out:
            keep[index] = 0
        return list(compress(items, keep))
    left: MutableSequence[T] = items[:] if isinstance(items, list | array) else list(items)
    for index in reversed(out):
        del left[index]
    return left
