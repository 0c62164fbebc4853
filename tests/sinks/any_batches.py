"""Batches by chance: offsets with holes, every kind of timestamp, keys and headers that no text is, any payload."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from sinks.making import ORDERS

from streamlake.engine.records import Batch, Header, OffsetRange, PayloadKind

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=5,
).flatmap(lambda value: st.sampled_from([json.dumps(value, ensure_ascii=False), json.dumps(value, indent="\t")]))
KEYS = st.none() | st.binary(max_size=8) | st.text(max_size=8, alphabet='ab"\\\n€').map(str.encode)
HEADERS: st.SearchStrategy[Sequence[Header] | None] = st.none() | st.lists(
    st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), KEYS), max_size=3
)
STAMPS = st.tuples(st.sampled_from([0, 1, 2]), st.integers(-1, 2**53))


@st.composite
def batches(draw: st.DrawFn, payload: PayloadKind) -> Batch:
    offsets = sorted(draw(st.sets(st.integers(0, 2**63 - 2), min_size=1, max_size=12)))
    rows = len(offsets)

    def column(one: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(one, min_size=rows, max_size=rows))

    stamps = column(STAMPS)
    values = column(JSON.map(str.encode) if payload == "json" else st.binary(max_size=20))
    return Batch(
        source=ORDERS,
        range=OffsetRange(0, offsets[-1] + 1),
        leader_epoch=0,
        offsets=offsets,
        timestamps_ms=[ms for _, ms in stamps],
        timestamp_types=[kind for kind, _ in stamps],
        keys=column(KEYS),
        values=values,
        headers=column(HEADERS),
    )
