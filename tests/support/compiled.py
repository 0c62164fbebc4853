"""The compiled way of a batch and the pure one: both are tested."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

from streamlake.engine.compiled import VARIABLE, compiled

INSTALLED = find_spec("streamlake_native") is not None
WAYS = ("compiled", "pure") if INSTALLED else ("pure",)


@contextmanager
def built(way: str) -> Iterator[None]:
    """What is made within is `compiled` or `pure`, in this process and in those that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        if way == "pure":
            patch.setenv(VARIABLE, "0")
        else:
            patch.delenv(VARIABLE, raising=False)
        compiled.cache_clear()
        try:
            assert (compiled() is None) == (way == "pure")
            yield
        finally:
            patch.undo()
            compiled.cache_clear()
