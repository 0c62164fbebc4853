"""Fast paths and exact ones over the same payloads, by the hundred thousand: `make alike`.

    python tests/validators/alike.py [--cases 1000000] [--seed 1]

Each case is one payload, nearly right for its schema, and is shown to every way of that schema: the fast one and the
exact one have to refuse the same payloads for the same reasons, and to make the same columns of the others.
"""

# ruff: noqa: E402  (run as a program, it has to find its neighbours first)

import argparse
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent.parent)]  # as pytest does (`pythonpath` in pyproject.toml)

import orjson
from pydantic import ValidationError
from support.batches import batch_of
from support.compiled import WAYS, built
from validators import making
from validators.nearly import DECLARED, EVERYTHING, ORDER, Maker, payloads

from streamlake.engine.contracts import Validator
from streamlake.engine.records import Verdict
from streamlake.plugins.validators.jsonschema import JsonSchemaValidator
from streamlake.plugins.validators.pydantic import PydanticValidator

BATCH_ROWS = 400  # a slice of a batch: bad ones are to stand among good ones


@dataclass(frozen=True, slots=True)
class Way:
    """One way to decide the payloads of a maker: as the engine does, and exactly."""

    name: str
    maker: Maker
    fast: Validator
    exact: Validator


def ways() -> list[Way]:
    """Both validators, with and without columns, compiled and pure, for records of known shape and all sorts."""
    return [way for name in WAYS for way in _built(name)]


def _built(name: str) -> list[Way]:
    with built(name):
        return [replace(way, name=f"{way.name}, {name}") for way in _ways()]


def _ways() -> list[Way]:
    found: list[Way] = []
    for maker, columns in product((ORDER, DECLARED, EVERYTHING), (False, True)):
        schemas: list[object] = [{**maker.schema, "additionalProperties": extra} for extra in (True, False)]
        for number, schema in enumerate(schemas if maker.schema else [making.ORDER_SCHEMA]):
            of: Callable[[], Validator] = partial(making.jsonschema, schema, columns=columns)
            found.append(Way(f"{maker.name}, schema {number}, columns={columns}", maker, of(), exact(of())))
        for model in maker.models:
            of = partial(making.pydantic, model, columns=columns)
            found.append(Way(f"{maker.name}, {model}, columns={columns}", maker, of(), exact(of())))
    return found


def exact(validator: Validator) -> Validator:
    """The same one without what makes it fast: every payload is parsed, and decided by the schema or the model."""
    match validator:
        case JsonSchemaValidator():
            validator._decoder = None
        case PydanticValidator():
            validator._decoder = None
            validator._call = _ByNormalForm(validator._call)
        case _:
            raise AssertionError(validator)
    return validator


class _ByNormalForm:
    """A model's call that refuses what is not the normal form, so that only the normal form decides."""

    def __init__(self, call: Callable[[bytes], Any]) -> None:
        self._call = call

    def __call__(self, payload: bytes) -> Any:
        try:
            normal = orjson.dumps(orjson.loads(payload)) == payload
        except orjson.JSONDecodeError:
            normal = False
        if not normal:
            raise ValidationError.from_exception_data("not the normal form", [])
        return self._call(payload)


def differences(some: Sequence[Way], cases: int, seed: int) -> Iterator[str]:
    """What differs, a line each; nothing where all is well."""
    chance = random.Random(seed)
    makers = {way.maker.name: way.maker for way in some}
    done = 0
    while done < cases:
        for maker in makers.values():
            batch = payloads(maker, chance, BATCH_ROWS)
            for way in some:
                if way.maker is maker:
                    yield from _compared(way, batch)
            done += len(batch)


def _compared(way: Way, batch: Sequence[bytes]) -> Iterator[str]:
    fast, slow = (validator.validate(batch_of(batch)) for validator in (way.fast, way.exact))
    if _decided(fast) != _decided(slow):
        for index in sorted({index for index, *_ in set(_decided(fast)) ^ set(_decided(slow))}):
            said = [[one for one in _decided(verdict) if one[0] == index] for verdict in (fast, slow)]
            yield f"{way.name}: {batch[index]!r}: fast says {said[0]}, exact {said[1]}"
    elif fast.columns is not None and not fast.columns.equals(slow.columns):  # type: ignore[attr-defined]  # both tables
        yield f"{way.name}: other columns of {[one for one in batch if _columns(way, one)]}"


def _columns(way: Way, payload: bytes) -> bool:
    fast, slow = (validator.validate(batch_of([payload])).columns for validator in (way.fast, way.exact))
    return not fast.equals(slow)  # type: ignore[union-attr]  # both tables


def _decided(verdict: Verdict) -> list[tuple[int, str, str | None, str]]:
    return [(one.index, one.reason, one.field, one.message) for one in verdict.refused]


def main() -> int:
    """Run as many as wanted; 1 where something differs."""
    parser = argparse.ArgumentParser(prog="make alike", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=int, default=1_000_000, help="payloads (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (default: %(default)s)")
    wanted = parser.parse_args()
    some, failed = ways(), 0
    for line in differences(some, wanted.cases, wanted.seed):
        failed += 1
        print(line, flush=True)
    print(f"seed {wanted.seed}: {wanted.cases:,} payloads, {len(some)} ways to decide: {failed} differences")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
