"""Merges the YAML files of one pipeline, left to right: a base, and what an environment has different."""

from collections.abc import Iterator

from streamlake.config.document import Document, items_by_name
from streamlake.config.values import Loc


def merge_into(under: Document, over: Document) -> None:
    """Lay `over` on `under`, which is changed and takes over the places, too: each value is of the file it came from.

    Mappings are merged by key, and lists by the `name` of their items, where every item has one of its own: the new
    ones come last. Anything else is replaced as a whole.
    """
    under.problems += over.problems
    _Merge(under, over).value(under.tree, over.tree, (), ())


class _Merge:
    def __init__(self, under: Document, over: Document) -> None:
        self._under, self._over = under, over

    def value(self, old: object, new: object, at: Loc, of: Loc) -> object:
        """What stands at `at` of the merged document, from `old` that stood there and `new` at `of` of the other."""
        if isinstance(old, dict) and isinstance(new, dict):
            for key, item in new.items():
                here, there = (*at, key), (*of, key)
                old[key] = self.value(old[key], item, here, there) if key in old else self._put(item, here, there)
            return old
        if isinstance(old, list) and isinstance(new, list) and (numbers := _by_name(old)) and (names := _by_name(new)):
            for name, index in names.items():
                number = numbers.get(name, len(old))
                here, there = (*at, number), (*of, index)
                if number == len(old):
                    old.append(self._put(new[index], here, there))
                else:
                    old[number] = self.value(old[number], new[index], here, there)
            return old
        self._forget(old, at)
        return self._put(new, at, of)

    def _forget(self, old: object, at: Loc) -> None:
        for below in _places_in(old):
            self._under.keys.pop((*at, *below), None)
            self._under.values.pop((*at, *below), None)
            self._under.unread.discard((*at, *below))

    def _put(self, new: object, at: Loc, of: Loc) -> object:
        for below in _places_in(new):
            here, there = (*at, *below), (*of, *below)
            if there in self._over.keys:
                self._under.keys[here] = self._over.keys[there]
            self._under.values[here] = self._over.values[there]
            if there in self._over.unread:
                self._under.unread.add(here)
        return new


def _by_name(items: list[object]) -> dict[str, int]:
    """The numbers of the items by their names; none where an item has no name, or two have the same."""
    numbers = {name: index for index, name in items_by_name(items)}
    return numbers if len(numbers) == len(items) else {}


def _places_in(value: object) -> Iterator[Loc]:
    """The value's own place, (), and those of all that stands below it."""
    yield ()
    if isinstance(value, dict | list):
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from ((step, *below) for below in _places_in(item))
