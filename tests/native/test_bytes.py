"""`Bytes` is a sequence like the list it was made of, and Arrow takes it as it is."""

import gc
import pickle
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlake.engine.compiled import compiled
from streamlake.engine.packed import Packed, beyond, bytes_of, has_null

pytestmark = pytest.mark.usefixtures("native")

ITEMS = st.lists(st.none() | st.binary(max_size=40), max_size=40)
PLACES = st.none() | st.integers(-50, 50)


def made(items: Any) -> Any:
    native = compiled()
    assert native is not None
    return native.Bytes(items)


@given(ITEMS, PLACES, PLACES, st.sampled_from([None, 1, 1, 2, -1, -3]))
def test_it_reads_as_the_list(items: list[bytes | None], start: int | None, stop: int | None, step: int | None) -> None:
    packed = made(items)
    assert issubclass(type(packed), Packed)
    assert list(packed) == items
    assert [packed[index] for index in range(-len(items), len(items))] == items + items
    part, expected = packed[start:stop:step], items[start:stop:step]
    assert (len(part), list(part)) == (len(expected), expected)
    assert list(part[1:]) == expected[1:]
    assert list(pickle.loads(pickle.dumps(packed))) == items


@given(ITEMS, st.data())
def test_what_is_left_and_what_is_taken(items: list[bytes | None], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(items)))
    part, packed = items[first:], made(items)[first:]
    some = sorted(data.draw(st.sets(st.integers(0, len(part) - 1))) if part else [])
    assert list(packed.take(some)) == [part[index] for index in some]
    assert list(packed.without(some)) == [item for index, item in enumerate(part) if index not in some]
    assert packed.nbytes == sum(len(item or b"") for item in part)
    limit = data.draw(st.integers(0, 40))
    assert packed.beyond(limit) == beyond(part, limit)
    assert packed.beyond(limit) == [at for at, item in enumerate(part) if item is None or len(item) > limit]
    assert has_null(packed) == has_null(part) == (None in part)
    assert bytes_of(packed) == bytes_of(part)


@given(ITEMS, PLACES, PLACES)
def test_arrow_takes_it_and_keeps_it(items: list[bytes | None], start: int | None, stop: int | None) -> None:
    packed = made(items)[start:stop]
    column = pa.array(packed)
    del packed
    gc.collect()
    column.validate(full=True)
    assert column.equals(pa.array(items[start:stop], pa.binary()))


@pytest.mark.parametrize("indices", [[1, 1], [2, 1], [-1], [3], ["0"]])
def test_indices_that_do_not_ascend_or_are_not_there_are_refused(indices: list[Any]) -> None:
    for select in (made([b"a", None, b"c"]).take, made([b"a", None, b"c"]).without):
        with pytest.raises((IndexError, TypeError)):
            select(indices)


@pytest.mark.parametrize("items", [["text"], [1], 7, None])
def test_what_is_no_bytes_is_refused(items: Any) -> None:
    with pytest.raises(TypeError):
        made(items)


@given(ITEMS, PLACES, PLACES)
def test_arrows_own_buffers_are_taken_over(items: list[bytes | None], start: int | None, stop: int | None) -> None:
    part = items[start:stop]
    packed = made(pa.array(items, pa.binary())[slice(start, stop)])
    gc.collect()
    assert list(packed) == part
    assert [packed.nbytes, has_null(packed)] == [bytes_of(part), None in part]
    assert packed.beyond(3) == beyond(part, 3)
    assert list(packed.take(range(len(part)))) == list(packed.without([])) == part
    assert list(packed[1:]) == part[1:]
    again = pa.array(packed[1:])
    del packed
    gc.collect()
    again.validate(full=True)
    assert again.equals(pa.array(part[1:], pa.binary()))


def test_text_of_arrow_is_its_bytes() -> None:
    assert list(made(pa.array(["ü", None, ""]))) == ["ü".encode(), None, b""]


def test_empty_ones_are_not_null_to_it() -> None:
    assert list(made(pa.array([b"", b""])).take([0, 1])) == [b"", b""]
    parquet = pa.BufferOutputStream()
    pq.write_table(pa.table({"value": pa.array([b""] * 3, pa.binary())}), parquet)
    (part,) = pq.ParquetFile(pa.BufferReader(parquet.getvalue())).iter_batches()
    assert list(made(part.column(0)).take([0, 2])) == [b"", b""]


def test_an_arrow_array_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Arrow's format l: only binary \(z\) and string \(u\) are taken"):
        made(pa.array([1]))
