"""Whether the values of two columns differ, row by row and in Arrow, whatever their type is."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

Mask: TypeAlias = "pa.BooleanArray"
Differing: TypeAlias = "tuple[str, Mask]"

_compute: Any = pc  # its stubs know one type at a time; here any may come


def differing_payloads(here: Any, there: Any, *, one_in_lines: bool) -> "Mask | None":
    """Which of two columns of payloads differ; None where all are equal.

    `one_in_lines`: one of them comes from JSON lines and the other does not, so line breaks count as spaces.
    """
    if here.equals(there):
        return None
    mask = differing(here, there)
    if one_in_lines and pc.any(mask).as_py():
        mask = differing(_on_one_line(here), _on_one_line(there))
    return mask if pc.any(mask).as_py() else None


def differing_columns(here: pa.RecordBatch, there: pa.RecordBatch, names: Sequence[str]) -> list[Differing]:
    """The columns among `names` in which a row differs, each with which rows those are."""
    found = []
    for name in names:
        one, other = here.column(name), there.column(name)
        if not one.equals(other):
            mask = differing(one, other)
            if pc.any(mask).as_py():
                found.append((name, mask))
    return found


def comparable(here: pa.Schema, there: pa.Schema) -> tuple[list[str], set[str]]:
    """The columns that both have with one type, but for the offset, and those that only one has so."""
    ours, theirs = ({field.name: field.type for field in schema if field.name != "_offset"} for schema in (here, there))
    both = [name for name, kind in ours.items() if theirs.get(name) == kind]
    return both, (ours.keys() | theirs.keys()).difference(both)


def differing(here: Any, there: Any) -> Mask:
    """Which rows of two arrays of one type differ: null is equal to null, NaN to NaN, and a list item by item."""
    ours, theirs = here.is_valid(), there.is_valid()
    both, one = _compute.and_(ours, theirs), _compute.xor(ours, theirs)
    if not pa.types.is_null(here.type):
        one = _compute.or_(one, _compute.and_(both, _compute.fill_null(_unequal(here.type)(here, there), False)))
    return cast("Mask", one)


def _unequal(kind: pa.DataType) -> Callable[[Any, Any], Any]:
    if pa.types.is_struct(kind):
        return _unequal_structs
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _unequal_lists
    if pa.types.is_floating(kind):
        return _unequal_floats
    if pa.types.is_nested(kind) or pa.types.is_dictionary(kind):
        return _unequal_objects
    unequal: Callable[[Any, Any], Any] = _compute.not_equal
    return unequal


def _unequal_floats(here: Any, there: Any) -> Any:
    nan = _compute.and_(_compute.is_nan(here), _compute.is_nan(there))
    return _compute.and_(_compute.not_equal(here, there), _compute.invert(nan))


def _unequal_structs(here: Any, there: Any) -> Any:
    mask = pa.repeat(False, len(here))
    for one, other in zip(here.flatten(), there.flatten(), strict=True):
        mask = _compute.or_(mask, differing(one, other))
    return mask


def _unequal_lists(here: Any, there: Any) -> Any:
    """Those of unequal length, and those with an item that differs."""
    lengths = _compute.not_equal(_compute.list_value_length(here), _compute.list_value_length(there))
    alike = _compute.indices_nonzero(_compute.invert(_compute.fill_null(lengths, True)))
    some, others = here.take(alike), there.take(alike)
    items = differing(some.flatten(), others.flatten())
    rows = alike.take(_compute.list_parent_indices(some).filter(items))
    return _compute.or_(lengths, _compute.is_in(pa.array(range(len(here)), alike.type), value_set=rows))


def _unequal_objects(here: Any, there: Any) -> Any:
    """Of maps and what else Arrow can't compare: row by row."""
    return pa.array([one != other for one, other in zip(here.to_pylist(), there.to_pylist(), strict=True)])


def _on_one_line(payloads: Any) -> Any:
    for line_break in (b"\n", b"\r"):
        payloads = _compute.replace_substring(payloads, pattern=line_break, replacement=b" ")
    return payloads
